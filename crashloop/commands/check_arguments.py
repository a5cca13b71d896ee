"""The command line of `crashloop check`; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import (
    AsJson,
    Config,
    Debug,
    IncidentFolder,
    NoLive,
    Params,
    RealTime,
    Summary,
    examples,
    path,
)

STATUS = (
    "Exit status: 0 each outage ends as required, 10 one does not, 11 inconclusive, 12 crashloop "
    "itself broke, 13 the app does not start without a fault, 2 wrong usage, or an incident of "
    "--incidents was left out; of several, the worst in the order 13, 12, 10, 11, 2."
)
EPILOG = "\n\n".join(
    (
        examples(
            "crashloop check",
            "crashloop check shop --dry-run",
            "crashloop check sample --remedy degraded-start",
            "crashloop check --incident issue-1278 -p limit_s=8 --require survived",
            "crashloop check --junit check.xml --summary check.md",
            "crashloop check --baseline crashloop-baseline.json --update-baseline",
            "crashloop check --artifacts evidence --resume",
        ),
        STATUS,
    )
)


def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="An app of crashloop.toml, if it has several; sample is the sample app.",
        ),
    ] = None,
    *,
    config: Config = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            "--incident",
            metavar="INCIDENT",
            help="Run this one only, and take no dependency away; can be repeated.",
        ),
    ] = None,
    folder: IncidentFolder = None,
    param: Params = None,
    remedy: Annotated[
        str,
        typer.Option(
            "--remedy",
            metavar="NAME",
            help="Put this remedy in place: one of the app's `remedies`, or limit=S; + combines "
            "two.",
        ),
    ] = "",
    real_time: RealTime = False,
    require: Annotated[
        str,
        typer.Option(
            "--require",
            metavar="OUTCOME",
            help="What each outage must end with: recovered, or survived without any death.",
        ),
    ] = "recovered",
    as_json: AsJson = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", parser=path, help="Write JUnit's XML."),
    ] = None,
    summary: Summary = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            parser=path,
            help="Accept the failures in it; fail for what got worse.",
        ),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write today's outcomes to the baseline.")
    ] = False,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            metavar="DIR",
            parser=path,
            help="Write the evidence here, a folder for each run.  "
            "[dim]default: a new folder in ./crashloop-artifacts[/dim]",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the results that --artifacts has already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would run, and start nothing.")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            metavar="N",
            min=0,
            show_default=False,
            help="Runs at once.  [dim]default: one a processor, two in real time[/dim]",
        ),
    ] = 0,
    no_live: NoLive = False,
    _debug: Debug = False,
) -> None:
    """Run every known outage against your own app, and take each of its dependencies away."""
    from crashloop.commands.check import check as run  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands.check_order import CheckOrder  # noqa: PLC0415  likewise

    order = CheckOrder(
        name=name,
        config=config,
        incidents=tuple(incident or ()),
        folder=folder,
        params=tuple(param or ()),
        remedy=remedy,
        real_time=real_time,
        requirement=require,
        as_json=as_json,
        junit=junit,
        summary=summary,
        baseline=baseline,
        update=update_baseline,
        artifacts=artifacts,
        resume=resume,
        dry_run=dry_run,
        jobs=jobs,
        no_live=no_live,
    )
    raise typer.Exit(run(order))

"""The command line of `crashloop compare`; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import (
    AppName,
    AsJson,
    Config,
    Debug,
    IncidentFolder,
    IncidentName,
    NoLive,
    Params,
    RealTime,
    Scale,
    Seed,
    Summary,
    examples,
    path,
)

STATUS = (
    "Exit status: 0 some remedy meets every criterion, 10 none does, 11 undecided, or the outage "
    "did not happen without a remedy, or this machine is too slow, 12 crashloop itself broke, 13 "
    "the app does not work without a fault, 2 wrong usage, 130 or 143 interrupted."
)
EPILOG = "\n\n".join(
    (
        examples(
            "crashloop compare issue-1278",
            "crashloop compare issue-1278 --dry-run",
            "crashloop compare issue-1278 --remedy limit=25 --remedy retry-jitter --trials 20",
            "crashloop compare issue-1278 --remedy retry-jitter+sigterm --platform kubernetes",
            "crashloop compare issue-1278 --connector audit --connector e2-micro",
            """crashloop compare issue-1278 --criterion "success>0.9" --json""",
            "crashloop compare issue-1278 --trials 20 --artifacts evidence --resume",
        ),
        STATUS,
    )
)


def compare(
    incident: IncidentName,
    *,
    folder: IncidentFolder = None,
    remedy: Annotated[
        list[str] | None,
        typer.Option(
            "--remedy",
            metavar="NAME",
            help="Compare this one; + combines two; can be repeated.  [dim]default: all that are "
            "known for the app, and what is none[/dim]",
        ),
    ] = None,
    connector: Annotated[
        list[str] | None,
        typer.Option(
            "--connector",
            metavar="PROFILE",
            help="Compare behind this connector profile, or FILE.toml; can be repeated.",
        ),
    ] = None,
    platform: Annotated[
        str | None, typer.Option("--platform", metavar="NAME", help="What restarts the app.")
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option("--replicas", metavar="R", min=1, help="Instances that start at once."),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            metavar="N",
            min=1,
            max=1_000_000,
            help="The most trials of each remedy.",
        ),
    ] = 100,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            "--criterion",
            metavar="TEXT",
            help='What a remedy must show, as in "success>0.95"; can be repeated.  '
            "[dim]default: the audit's[/dim]",
        ),
    ] = None,
    app_name: AppName = None,
    config: Config = None,
    param: Params = None,
    time_scale: Scale = None,
    real_time: RealTime = False,
    seed: Seed = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            metavar="DIR",
            parser=path,
            help="Write the evidence here: results.jsonl, a trace for each trial, pictures.  "
            "[dim]default: a new folder in ./crashloop-artifacts[/dim]",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the trials that --artifacts has already; give the same options.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would run, and start nothing.")
    ] = False,
    as_json: AsJson = False,
    summary: Summary = None,
    no_live: NoLive = False,
    _debug: Debug = False,
) -> None:
    """Compare remedies for an incident: run each many times, until it is decided what they show."""
    from crashloop.commands.compare_order import (  # noqa: PLC0415  heavy: only when asked for
        CompareOrder,
        require_packages,
    )

    require_packages()
    from crashloop.commands.compare import compare as run  # noqa: PLC0415  likewise

    order = CompareOrder(
        incident=incident,
        folder=folder,
        remedies=tuple(remedy or ()),
        connectors=tuple(connector or ()),
        platform=platform,
        replicas=replicas,
        trials=trials,
        criteria=tuple(criterion or ()),
        app=app_name,
        config=config,
        params=tuple(param or ()),
        time_scale=time_scale,
        real_time=real_time,
        seed=seed,
        artifacts=artifacts,
        resume=resume,
        dry_run=dry_run,
        as_json=as_json,
        summary=summary,
        no_live=no_live,
    )
    raise typer.Exit(run(order))

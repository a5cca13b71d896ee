"""The command line of `crashloop matrix`; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import (
    AsJson,
    Debug,
    IncidentFolder,
    NoLive,
    Summary,
    examples,
    path,
)

STATUS = (
    "Exit status: 0 each signature matches its own trace and no other, 10 one matches another "
    "trace, or not its own, 11 a trace is missing, 2 wrong usage, or an incident of --incidents "
    "was left out, 130 or 143 interrupted."
)
EPILOG = "\n\n".join(
    (
        examples(
            "crashloop matrix",
            "crashloop matrix --artifacts kept --resume",
            "crashloop matrix --traces kept --json",
            "crashloop matrix issue-1278 --against fault:hold --against fault:refuse",
        ),
        STATUS,
    )
)


def matrix(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INCIDENT]...",
            help="Only what has to do with these: their signatures against all traces, and all "
            "signatures against their traces.",
        ),
    ] = None,
    *,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="NAME",
            help="Only the trace of this incident or fault:KIND, besides those of INCIDENT; can "
            "be repeated.",
        ),
    ] = None,
    folder: IncidentFolder = None,
    traces: Annotated[
        list[Path] | None,
        typer.Option(
            "--traces",
            metavar="DIR",
            parser=path,
            help="Take the traces below this folder, and make none; can be repeated.",
        ),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            metavar="DIR",
            parser=path,
            help="Write the traces here, a folder for each run.  "
            "[dim]default: a new folder in ./crashloop-artifacts[/dim]",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the traces that --artifacts has already.")
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
            help="Runs at once.  [dim]default: one a processor[/dim]",
        ),
    ] = 0,
    as_json: AsJson = False,
    summary: Summary = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/matrix.md.")
    ] = False,
    no_live: NoLive = False,
    _debug: Debug = False,
) -> None:
    """Judge the trace of every incident and fault by the signature of every incident."""
    from crashloop.commands.matrix import MatrixOrder  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands.matrix import matrix as run  # noqa: PLC0415  likewise

    order = MatrixOrder(
        names=tuple(names or ()),
        against=tuple(against or ()),
        folder=folder,
        traces=tuple(traces or ()),
        artifacts=artifacts,
        resume=resume,
        dry_run=dry_run,
        jobs=jobs,
        as_json=as_json,
        summary=summary,
        as_markdown=as_markdown,
        no_live=no_live,
    )
    raise typer.Exit(run(order))

"""The arguments of `crashloop judge` and `crashloop report`; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crashloop.commands.arguments import AsJson, Debug, IncidentFolder, examples, path

JUDGE_EPILOG = examples(
    "crashloop judge trace.jsonl", "crashloop judge trace.jsonl --current --json"
)
REPORT_EPILOG = examples(
    "crashloop report trace.jsonl", "crashloop report trace.jsonl -o page.html --open"
)

TracePath = Annotated[
    Path, typer.Argument(metavar="TRACE", parser=path, help="A trace.jsonl, or its folder.")
]


def judge(
    trace: TracePath,
    *,
    current: Annotated[
        bool, typer.Option("--current", help="Judge by today's signature; show what differs.")
    ] = False,
    folder: IncidentFolder = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """Judge a recorded run again, by the signature in its trace."""
    from crashloop.commands import judge as command  # noqa: PLC0415  heavy: only when asked for

    raise typer.Exit(command.judge(trace, folder, current=current, as_json=as_json))


def report(
    trace: TracePath,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=path,
            help="Write the page here.  [dim]default: report.html beside the trace[/dim]",
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    _debug: Debug = False,
) -> None:
    """Write a page about a recorded run: one HTML file, to be opened or sent to somebody."""
    from crashloop.commands import report as command  # noqa: PLC0415  heavy: only when asked for

    raise typer.Exit(command.report(trace, output, open_it=open_it))

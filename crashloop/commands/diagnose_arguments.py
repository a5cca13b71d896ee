"""The arguments of `crashloop diagnose`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import AsJson, Debug, examples, path
from crashloop.errors import UsageError

EPILOG = (
    examples(
        "crashloop diagnose app.log postgres.log --report report.html",
        "kubectl logs web-0 --previous --timestamps | crashloop diagnose -",
        "crashloop diagnose --causes",
    )
    + "\n\nExit status: 0 decided, 11 unknown, 2 nothing readable."
)


def diagnose(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Logs of one outage; - is standard input."),
    ] = None,
    *,
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read the files as this, not as recognised."),
    ] = None,
    causes: Annotated[
        bool, typer.Option("--causes", help="List every cause that can be named, and stop.")
    ] = False,
    formats: Annotated[
        bool, typer.Option("--formats", help="List every format that can be read, and stop.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            parser=path,
            help="Write a page about it, with the cited lines among their neighbours.",
        ),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts", metavar="DIR", parser=path, help="Write that page as DIR/report.html."
        ),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="With --causes: print the table of docs/diagnose.md.")
    ] = False,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """Say which known outage logs show, which they rule out, and by which lines."""
    from crashloop.commands.diagnose import (  # noqa: PLC0415  when asked
        show_causes,
        show_diagnosis,
        show_formats,
    )

    if (causes or formats) and (files or (causes and formats)):
        option = "--causes" if causes else "--formats"
        raise UsageError(f"{option} stands alone", hint="leave out the files or one of the two")
    if formats:
        raise typer.Exit(show_formats(as_json=as_json))
    if causes:
        raise typer.Exit(show_causes(as_json=as_json, as_markdown=as_markdown))
    if as_markdown:
        raise UsageError("--markdown is of --causes", hint="add --causes, or leave it out")
    if not files:
        raise UsageError(
            "no log was named", hint="crashloop diagnose FILE..., or - for standard input"
        )
    if artifacts is not None:
        report = report or artifacts / "report.html"
    raise typer.Exit(show_diagnosis(files, format_name, report, as_json=as_json))

"""The command lines of `crashloop incidents` and `crashloop new-incident`; quick to import."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import AsJson, Debug, IncidentFolder, examples, path

EPILOG = examples(
    "crashloop incidents",
    "crashloop incidents --platform kubernetes --symptom 137",
    "crashloop incidents --phase database --symptom 53300",
    "crashloop incidents issue-1278 --json",
)
NEW_EPILOG = examples(
    "crashloop new-incident start-needs-the-cache",
    "crashloop new-incident start-needs-the-cache --incidents outages",
)


def incidents(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Tell the story of this incident.")
    ] = None,
    *,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform", metavar="NAME", help="List those whose reports name this one, or none."
        ),
    ] = None,
    phase: Annotated[
        str | None,
        typer.Option("--phase", metavar="NAME", help="List those that fail in this phase."),
    ] = None,
    symptom: Annotated[
        str | None,
        typer.Option(
            "--symptom",
            metavar="TEXT",
            help="List those with this symptom: an exit code, a SQLSTATE, an exception, or words "
            "such as 'times out'.",
        ),
    ] = None,
    folder: IncidentFolder = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """List the known incidents, or tell one's story: source, facts, look-alikes, what ends it."""
    from crashloop.commands import incidents as command  # noqa: PLC0415  heavy: when asked for

    wanted = command.Wanted(platform=platform, phase=phase, symptom=symptom)
    raise typer.Exit(command.show_incidents(name, wanted, folder, as_json=as_json))


def new_incident(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What it is called: words with - between them.")
    ],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--incidents",
            metavar="DIR",
            parser=path,
            help="Write it into this folder.  [dim]default: ./incidents[/dim]",
        ),
    ] = None,
    _debug: Debug = False,
) -> None:
    """Write the file of a new incident, for you to fill in from a report of a real outage."""
    from crashloop.commands import new_incident as command  # noqa: PLC0415  heavy: when asked for

    command.new_incident(name, folder)

"""The arguments and options that several subcommands share; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def path(text: str) -> Path:
    """A path that was typed; an empty one (an unset variable) would mean the current folder."""
    if not text:
        raise typer.BadParameter("a path cannot be empty")
    return Path(text)


IncidentName = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="An incident from `crashloop incidents`.")
]
OptionalIncident = Annotated[
    str | None,
    typer.Argument(metavar="[INCIDENT]", help="An incident from `crashloop incidents`."),
]
IncidentFolder = Annotated[
    Path | None,
    typer.Option(
        "--incidents",
        metavar="DIR",
        parser=path,
        help="Know the incidents in the files of this folder, too.",
    ),
]
FaultName = Annotated[
    str,
    typer.Option(
        "--fault",
        metavar="NAME[:PARAM=VALUE,...]",
        help="Make this fault of `crashloop faults` happen alone, instead of an incident.",
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="Set a parameter; can be repeated."),
]
Scale = Annotated[
    float | None,
    typer.Option("--time-scale", metavar="N", help="Run N times faster than it happened."),
]
RealTime = Annotated[bool, typer.Option("--real-time", help="Run in real time: a time scale of 1.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of every random draw."),
]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        parser=path,
        help="Write the evidence here.  [dim]default: a new folder in ./crashloop-artifacts[/dim]",
    ),
]
AppName = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="NAME",
        help="Run your own app, described in crashloop.toml or pyproject.toml here or in a folder "
        "above.  [dim]default: the sample app[/dim]",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", parser=path, help="Read the app's entry from here."),
]
Remedy = Annotated[
    str,
    typer.Option(
        "--remedy",
        metavar="NAME",
        help="Put this remedy in place: one of the app's `remedies` or the incident's, limit=S, or "
        "another; + combines two.  [dim]default, with a remedy: the incident's, or the first[/dim]",
    ),
]
PostgresBin = Annotated[
    Path | None,
    typer.Option("--postgres-bin", metavar="DIR", parser=path, help="Folder of Postgres programs."),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Run on this machine (local), or in containers that Docker restarts (docker).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="FILE",
        parser=path,
        help="Append a GitHub job summary.  [dim]default: what GITHUB_STEP_SUMMARY names[/dim]",
    ),
]
NoLive = Annotated[
    bool, typer.Option("--no-live", help="Print lines of progress instead of a live timeline.")
]
UntilStdinCloses = Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def examples(*commands: str) -> str:
    """An epilog with one command a line; typer keeps what a blank line separates."""
    return "\n\n".join(("Examples:", *(f"[bold]{command}[/bold]" for command in commands)))

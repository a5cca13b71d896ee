"""`crashloop new-incident`: write the file of an incident, to be filled in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import crashloop.incidents
from crashloop.errors import UsageError
from crashloop.incidents import ELSEWHERE, find
from crashloop.incidents.soundness import NAME, NAME_HINT
from crashloop.report.lines import BLANK, Line, Span, Tone, line
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = Path(crashloop.incidents.__file__).with_name("new_incident.txt")
USUAL_FOLDER = Path("incidents")


def new_incident(name: str, folder: Path | None) -> None:
    """Write the incident's file into the folder, by default ./incidents, and say what comes next.

    UsageError for a name that is taken or impossible, for a file that exists, and for a folder that
    is in none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of an incident", hint=NAME_HINT)
    folder = USUAL_FOLDER if folder is None else folder
    file = folder / f"{name.replace('-', '_')}.py"
    if not file.exists():
        _require_free(name, folder)
    text = TEMPLATE.read_text(encoding="utf-8").replace("@NAME@", name)
    try:
        folder.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        hint = "nothing is ever overwritten" if file.exists() else ""
        if isinstance(error, FileNotFoundError):
            hint = f"make the folder {folder.parent} first"
        raise UsageError(f"cannot write {file}: {error.strerror}", hint=hint) from None
    Terminal(sys.stdout).show(_lines(name, folder, file))


def _require_free(name: str, folder: Path) -> None:
    """Refuse the name of an incident of the library, of the folder or of an installed package."""
    ELSEWHERE.use(folder if [*folder.glob("[!_]*.py")] else None)
    if find(name) is None:
        return
    where = f" --incidents {shlex.quote(str(folder))}" if ELSEWHERE.folder_of(name) else ""
    raise UsageError(
        f"there is an incident {name} already",
        hint=f"crashloop incidents {name}{where} describes it; choose another name",
    )


def _lines(name: str, folder: Path, file: Path) -> Iterator[Line]:
    yield line(Span(f"{file} has the incident {name}, for you to fill in", Tone.HEAD))
    yield BLANK
    where = f"--incidents {shlex.quote(str(folder))}"
    for says, command in (
        ("what it still lacks", f"crashloop incidents {name} {where}"),
        ("make it happen", f"crashloop reproduce {name} {where}"),
        ("prove it", f"crashloop prove {name} {where}"),
    ):
        yield line(Span(f"{says:20} ", Tone.DIM), command)
    yield BLANK
    yield line("docs/add-an-incident.md leads from a public report to a proven incident")

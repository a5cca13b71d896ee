"""`crashloop init`: write an app's entry from what its repository says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps.file import OURS, PYPROJECT, read_apps
from crashloop.errors import UsageError
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.terminal import Terminal
from crashloop.repository import entry_text, find, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.repository import Findings

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def init(name: str | None, *, dry_run: bool) -> int:
    """Write crashloop.toml here, and show what was found; `dry_run` prints the entry instead.

    UsageError where nothing was found, and where this folder has apps already: nothing is ever
    overwritten.
    """
    folder = Path.cwd()
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an app",
            hint="use letters, digits, _ and -, and no - at the beginning",
        )
    if not dry_run:
        _require_no_apps(folder)
    findings = find(read_tree(folder), name or "")
    if findings.is_empty:
        raise UsageError(
            f"nothing in {folder} says how an app is started",
            hint="looked for a Dockerfile, a compose file, a Procfile, package.json, and an ASGI "
            "or WSGI app in Python; docs/your-app.md shows an entry to write",
        )
    text = entry_text(findings)
    if dry_run:
        sys.stdout.write(text)
        return 0
    path = folder / OURS
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    terminal = Terminal(sys.stdout)
    terminal.show(_lines(findings, width=terminal.width))
    return 0


def _require_no_apps(folder: Path) -> None:
    ours, pyproject = folder / OURS, folder / PYPROJECT
    show = "crashloop init --dry-run shows an entry to copy; nothing is overwritten"
    if ours.is_symlink() or ours.exists():
        raise UsageError(f"{ours} exists already", hint=show)
    if pyproject.is_file() and (apps := read_apps(pyproject)[1]):
        raise UsageError(
            f"{pyproject} has apps already: {', '.join(apps)}",
            hint=f"a folder has its apps in one file; {show}",
        )


def _lines(findings: Findings, *, width: int) -> Iterator[Line]:
    """What was found and where, what was not, and what to do next."""
    yield line(Span(f"{OURS} now has the app {findings.name}", Tone.HEAD))
    for key, value, place in _found(findings):
        yield line(f"  {key:8} ", Span(clean(value), Tone.GOOD), Span(f"  {place}", Tone.DIM))
    if findings.notes:
        yield BLANK
        yield line(Span("Not found or not understood", Tone.HEAD))
        for note in findings.notes:
            text = clean(str(note), 400)
            yield from paragraph(text, width=width, indent="  - ", hanging="    ")
    yield BLANK
    yield line(Span("Next     ", Tone.HEAD), f"write the journey at the end of {OURS}, then type")
    yield line(f"         crashloop check {findings.name}")


def _found(findings: Findings) -> Iterator[tuple[str, str, str]]:
    start = findings.start
    if start.command is not None:
        yield "command", " ".join(start.command.words), clean(str(start.place or ""))
    for key, value in (
        ("build", findings.build),
        ("image", findings.image),
        ("cwd", start.cwd),
        ("venv", findings.venv),
        ("setup", " ".join(start.setup)),
    ):
        if value:
            yield key, value, ""
    if findings.ready is not None:
        yield "ready", f"GET {findings.ready.path}", clean(str(findings.ready.place))
    for setting in findings.environment.settings:
        yield "env", f"{setting.name} = {setting.template}", clean(str(setting.place))
    for variable in findings.environment.inherited:
        yield "secret", f"{variable.name}, from your shell", clean(str(variable.place))

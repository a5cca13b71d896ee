"""Formats of log files: one module for each carrier; lines in, entries out, without I/O."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import chain, islice
from typing import TYPE_CHECKING

from crashloop.logs.formats.plain import PLAIN
from crashloop.logs.formats.transcript import Transcript
from crashloop.logs.worth import of_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crashloop.logs.entry import Entry, Line
    from crashloop.logs.formats.format import Format

_WHOLE = frozenset(
    {
        "transcript",
        "kubectl-describe",
        "kubectl-events",
        "gcloud-yaml",
        "docker-inspect",
        "docker-events",
    }
)
"""Formats in which a line means nothing without those above it, or each tells of a life."""
HEAD_LINES = 200
"""How many lines a format is recognised by."""


def _found() -> Iterator[Format]:
    for each in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{each.name}")
        one: Format | None = getattr(module, "FORMAT", None)
        if one is not None:
            yield one


def entries(lines: Iterable[Line], format_name: str | None = None) -> Iterator[Entry]:
    """The entries of one file; its format is recognised by its first 200 lines, unless named.

    KeyError for a name that is none.
    """
    return _read(lines, FORMATS if format_name is None else {format_name: FORMATS[format_name]})


def _read(lines: Iterable[Line], among: Mapping[str, Format]) -> Iterator[Entry]:
    rest = iter(lines)
    head = list(islice(rest, HEAD_LINES))
    texts = [line.text for line in head]
    chosen = max(among.values(), key=lambda one: one.fits(texts))
    every = chain(head, rest)
    yield from chosen.entries(every if chosen.name in _WHOLE else of_use(every))


def _section(lines: Iterable[Line], format_name: str | None) -> Iterator[Entry]:
    """The entries of a part of a file, which is no transcript of its own."""
    return _read(lines, _SINGLE if format_name is None else {format_name: _SINGLE[format_name]})


_SINGLE: dict[str, Format] = {one.name: one for one in (*_found(), PLAIN)}
FORMATS: dict[str, Format] = {"transcript": Transcript(_section), **_SINGLE}
"""Every format by the name that `--format` takes; plain lines are last, for they fit anything."""

"""The entries of several files in the order in which they were written, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.logs.event import EXITED, STARTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.logs.entry import Entry

_NS = 1_000_000_000
_OF_LIVES = frozenset({STARTED, EXITED})


def in_order(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """The entries in order of time, each once, and how many were doubled.

    An entry without an instant stays behind the one before it in its file. A file without any
    instant cannot be set beside others: the order of the files holds then. Doubled are those of
    one id, and neighbours that are the same in everything.
    """
    found: list[Entry] = []
    seen: set[tuple[str, str]] = set()
    doubled = 0
    for entry in entries:
        key = (entry.source, entry.id)
        is_again = key in seen if entry.id else bool(found) and _same(found[-1], entry)
        if is_again:
            doubled += 1
            continue
        if entry.id:
            seen.add(key)
        found.append(entry)
    return _sorted(found), doubled


def joined(entries: list[Entry]) -> list[Entry]:
    """The same entries; lines of no source and what a platform tells of one are one source.

    So it is where the lines were saved without their source, and a description of one container
    beside them. With lines of a named source, or the lives of two told, nothing is joined.
    """
    wrote = {e.source for e in entries if e.event is None and e.text.strip()}
    told = {e.source for e in entries if e.event is not None and e.event.kind in _OF_LIVES}
    if wrote != {""} or len(told) != 1:
        return entries
    return [replace(entry, source="") if entry.source in told else entry for entry in entries]


def _sorted(entries: list[Entry]) -> list[Entry]:
    files = dict.fromkeys(entry.line.file for entry in entries)
    timed = {entry.line.file for entry in entries if entry.at_ns is not None}
    is_timed = len(timed) == len(files)
    order = {file: 0 if is_timed else number for number, file in enumerate(files)}
    turned = _newest_first(entries)
    keys = [
        (order[entry.line.file], at_ns, -index if entry.line.file in turned else index)
        for index, (entry, at_ns) in enumerate(zip(entries, _instants(entries), strict=True))
    ]
    return [entries[abs(index)] for *_, index in sorted(keys)]


def _newest_first(entries: Iterable[Entry]) -> set[str]:
    """The files whose instants mostly fall, so that lines of one instant are turned, too."""
    last_ns: dict[str, int] = {}
    rises: dict[str, int] = {}
    for entry in entries:
        file, at_ns = entry.line.file, entry.at_ns
        if at_ns is None:
            continue
        before_ns = last_ns.get(file, at_ns)
        rises[file] = rises.get(file, 0) + (at_ns > before_ns) - (at_ns < before_ns)
        last_ns[file] = at_ns
    return {file for file, number in rises.items() if number < 0}


def _instants(entries: Iterable[Entry]) -> Iterator[int]:
    """The instant of each: of one without, and at the earliest in whole seconds, that above it."""
    above: dict[str, int] = {}
    for entry in entries:
        last_ns = above.get(entry.line.file, -1)
        at_ns = last_ns if entry.at_ns is None else entry.at_ns
        if at_ns % _NS == 0 and at_ns <= last_ns < at_ns + _NS:
            at_ns = last_ns
        above[entry.line.file] = at_ns
        yield at_ns


def _same(one: Entry, other: Entry) -> bool:
    return bool(one.text.strip()) and (one.source, one.at_ns, one.text) == (
        other.source,
        other.at_ns,
        other.text,
    )

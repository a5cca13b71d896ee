"""A table of a page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.lines import Tone
from crashloop.report.page.document import Part, part
from crashloop.report.page.inert import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in one place; `href` is the address of a page beside this one.

    Its notes stand below it, those of a row's first cell below the row.
    """

    text: str
    href: str = ""
    tone: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under the names of their columns; the first cell of a row names it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def cell(
    value: object, *, href: str = "", tone: Tone = Tone.PLAIN, notes: Iterable[str] = ()
) -> Cell:
    """A cell with text of others; empty notes are left out."""
    return Cell(
        text=inert(value, MAX_CHARS) or "-",
        href=href,
        tone="" if tone is Tone.PLAIN else str(tone),
        notes=tuple(inert(note, MAX_CHARS) for note in notes if note),
    )


def table_part(
    name: str, heading: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str
) -> Part:
    """A section with one table."""
    table = Table(caption=caption, columns=tuple(columns), rows=tuple(map(tuple, rows)))
    return Part(name=name, heading=heading, body=part("table.html", table=table))

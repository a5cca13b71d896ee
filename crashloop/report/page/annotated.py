"""Lines of logs as a page shows them: those that are cited, among their neighbours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.page.inert import inert, inert_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crashloop.diagnosis.case import Cited

CONTEXT = 3
"""How many lines are shown before and after one that is cited."""
MAX_LINES = 2000
MAX_CHARS = 400
MAX_TEXTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Something on the page that rests on lines: its anchor, what a mark calls it."""

    anchor: str
    label: str
    lines: tuple[Cited, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The lines of a file around those that are cited, without secrets.

    `note` says why there are none, or what is wrong with them.
    """

    lines: Mapping[int, str]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A line: its number, what it says, and what cites it; `is_after_gap`: lines are left out."""

    anchor: str
    number: int
    text: str
    marks: tuple[Citation, ...]
    is_after_gap: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What is shown of one file."""

    name: str
    note: str
    lines: tuple[Shown, ...]


class Annotated:
    """The files that citations name, and where the page shows their lines; `names` them."""

    def __init__(self, citations: Iterable[Citation], names: Mapping[str, str]) -> None:
        self._marks: dict[str, dict[int, list[Citation]]] = {}
        self._texts: dict[tuple[str, int], list[str]] = {}
        kept = 0
        for citation in citations:
            for one in citation.lines:
                marks = self._marks.setdefault(one.file, {})
                if one.line not in marks and kept >= MAX_LINES:
                    continue
                kept += one.line not in marks
                found = marks.setdefault(one.line, [])
                if citation not in found:
                    found.append(citation)
                texts = self._texts.setdefault((one.file, one.line), [])
                if one.text not in texts:
                    texts.append(one.text)
        self._number = {file: number for number, file in enumerate(self._marks)}
        self._names = names

    def wanted(self) -> dict[str, list[int]]:
        """The numbers of the lines to show of each file: 2000 in all, the cited ones first."""
        cited = [(file, number) for file, marks in self._marks.items() for number in marks]
        around = [
            (file, number + step)
            for file, number in cited
            for step in range(-CONTEXT, CONTEXT + 1)
            if number + step > 0
        ]
        found: dict[str, list[int]] = {}
        for file, number in [*dict.fromkeys([*cited, *around])][:MAX_LINES]:
            found.setdefault(file, []).append(number)
        return {file: sorted(numbers) for file, numbers in found.items()}

    def name(self, file: str) -> str:
        """What the file is called."""
        return inert(self._names.get(file, file), 120)

    def anchor(self, file: str, number: int) -> str:
        """The id of a line; "" if it is not shown."""
        is_shown = number in self._marks.get(file, {})
        return f"f{self._number[file]}-{number}" if is_shown else ""

    def excerpts(self, near: Mapping[str, Near]) -> Iterator[Excerpt]:
        """What is shown of each file; without its lines around them, the cited ones alone."""
        for file, numbers in self.wanted().items():
            found = near.get(file, Near(lines={}))
            shown, last = [], 0
            for number in numbers:
                marks = tuple(self._marks[file].get(number, ()))
                raw = found.lines.get(number)
                if raw is None and not marks:
                    continue
                shown.append(
                    Shown(
                        anchor=f"f{self._number[file]}-{number}",
                        number=number,
                        text=self._text(file, number, raw),
                        marks=marks,
                        is_after_gap=last != number - 1,
                    )
                )
                last = number
            yield Excerpt(name=self.name(file), note=found.note, lines=tuple(shown))

    def _text(self, file: str, number: int, raw: str | None) -> str:
        """The line as it stands in its file, or what was read out of it where that differs."""
        said = self._texts.get((file, number), [])[:MAX_TEXTS]
        if raw is not None and all(text.strip() in raw[:MAX_CHARS] for text in said):
            said = [raw]
        return "\n".join(inert_line(text, MAX_CHARS) for text in said)

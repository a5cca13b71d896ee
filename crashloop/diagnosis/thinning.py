"""Fewer entries of a large log: what repeats is thinned out, what is rare is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.logs.entry import Entry

WHOLE = 20_000
"""So many entries are kept whatever they say. Chosen."""
REPEATS = 300
"""How often entries of one shape are kept after that; then the 512th, the 1,024th ... Chosen."""
MAX_SHAPES = 20_000
MAX_KEPT = 150_000
MAX_BLOCK = 1000
MAX_SHAPE_CHARS = 160
HEADER = "Traceback (most recent call last):"
_CHAINED = ("The above exception", "During handling")
_DIGITS = str.maketrans("", "", "0123456789")


class Thinned:
    """Passes entries on; `left_out` counts those that are not.

    A traceback is one whole: it is kept or left out by its exceptions, however often its frames
    repeat. Two shapes are the same if they differ in digits only.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._kept = 0
        self._counts: dict[str, int] = {}
        self._blocks: dict[str, _Block] = {}

    def of(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries that are kept, each source's in its order."""
        for entry in entries:
            if self._kept < WHOLE:
                self._kept += 1
                yield entry
                continue
            block = self._blocks.get(entry.source)
            if block is not None:
                if block.takes(entry.text) and block.add(entry):
                    continue
                yield from self._close(entry.source)
            if HEADER in entry.text:
                self._blocks[entry.source] = _Block(entry)
            elif self._is_kept(f"{entry.source}\n{_shape(entry.text)}", 1):
                yield entry
        for source in tuple(self._blocks):
            yield from self._close(source)

    def _close(self, source: str) -> Iterator[Entry]:
        block = self._blocks.pop(source)
        if self._is_kept(f"{source}\n{block.shape}", len(block.entries)):
            yield from block.entries

    def _is_kept(self, shape: str, entries: int) -> bool:
        number = self._counts.get(shape, 0) + 1
        if number > 1 or len(self._counts) < MAX_SHAPES:
            self._counts[shape] = number
        is_kept = number <= REPEATS or number & (number - 1) == 0
        if is_kept and self._kept + entries <= MAX_KEPT:
            self._kept += entries
            return True
        self.left_out += entries
        return False


class _Block:
    """The entries of a traceback, with the exceptions that it was raised from."""

    def __init__(self, first: Entry) -> None:
        self.entries = [first]
        self.shape = ""
        self._has_frames = False
        self._is_told = False
        self._is_chained = False

    def takes(self, text: str) -> bool:
        """Whether a line belongs to it: a frame, its exception, or a chained traceback."""
        if HEADER in text:
            return self._is_chained
        if not text.strip() or text.startswith((" ", *_CHAINED)):
            return True
        return self._has_frames and not self._is_told

    def add(self, entry: Entry) -> bool:
        """Take an entry; False if it can take no more."""
        if len(self.entries) >= MAX_BLOCK:
            return False
        self.entries.append(entry)
        text = entry.text
        self._is_chained = text.startswith(_CHAINED) or (self._is_chained and not text.strip())
        if text.startswith(" "):
            self._has_frames = True
        elif text.strip() and not text.startswith(_CHAINED) and HEADER not in text:
            self._is_told = True
            self.shape += _shape(text) + "\n"
        if HEADER in text:
            self._is_told = self._has_frames = False
        return True


def _shape(text: str) -> str:
    return text[: 2 * MAX_SHAPE_CHARS].translate(_DIGITS)[:MAX_SHAPE_CHARS]

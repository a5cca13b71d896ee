"""What a format of log files is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Entry, Line


class Format(Protocol):
    """A carrier of logs. A module of this folder with one as `FORMAT` is found."""

    @property
    def name(self) -> str:
        """What `--format` calls it."""
        ...

    @property
    def what(self) -> str:
        """What writes it, in a few words."""
        ...

    def fits(self, head: Sequence[str]) -> float:
        """How surely the first lines of a file are of this format: 0 not at all, 1 surely."""
        ...

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """The entries of a file's lines, in the file's order; an odd line is passed on as text."""
        ...

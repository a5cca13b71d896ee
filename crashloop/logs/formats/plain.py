"""Plain lines as a program wrote them, with or without instants before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.instants import leading_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

ANY_LINES = 0.1
"""Less than any other format that recognises something."""


class Plain:
    """One program's output, `docker logs`, `kubectl logs`: an instant, where one is, and the text.

    An instant of RFC 3339 with a `T` at the head is the carrier's and is taken off; any other is
    the program's own and stays, for it is part of what a log reader knows the line by.
    """

    name = "plain"
    what = "any program's own lines, docker logs, kubectl logs"

    def fits(self, head: Sequence[str]) -> float:
        """Little, for anything is plain lines where nothing else fits."""
        return ANY_LINES if head else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line; one without an instant has that of the line before."""
        last_ns: int | None = None
        for line in lines:
            at_ns, text = stamped(line.text)
            last_ns = at_ns if at_ns is not None else last_ns
            yield Entry(line=line, text=text, at_ns=last_ns)


def stamped(text: str) -> tuple[int | None, str]:
    """The instant of a line and its text, without an instant that its carrier wrote before it."""
    at_ns, rest = leading_instant(text)
    if at_ns is None:
        return None, text
    is_carriers = text[10:11] == "T" and rest.startswith(" ")
    return at_ns, rest[1:] if is_carriers else text


PLAIN = Plain()

"""A carrier that writes the same form before each line: whose it is, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.formats.plain import stamped
from crashloop.logs.instants import parse_instant

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixed:
    """Lines after a prefix, whose groups may be `source`, `at` and `part`.

    Where `part` is set, the line goes on in the next one of its source. A line without a prefix is
    of no source, and has the instant of the line before, as has one whose prefix has none.
    """

    name: str
    what: str
    prefix: re.Pattern[str]

    def fits(self, head: Sequence[str]) -> float:
        """The share of lines with a prefix."""
        said = [text for text in head if text.strip()]
        return len([t for t in said if self.prefix.match(t)]) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line with its source."""
        last_ns: dict[str, int | None] = {}
        held: dict[str, str] = {}
        for line in lines:
            found = self.prefix.match(line.text)
            groups = found.groupdict() if found else {}
            source = groups.get("source") or ""
            at_ns, text = stamped(line.text[found.end() :] if found else line.text)
            if groups.get("at"):
                at_ns = parse_instant(groups["at"])
            if at_ns is not None:
                last_ns[source] = at_ns
            if groups.get("part"):
                held[source] = held.get(source, "") + text
                continue
            whole = held.pop(source, "") + text
            yield Entry(line=line, text=whole, source=source, at_ns=last_ns.get(source))

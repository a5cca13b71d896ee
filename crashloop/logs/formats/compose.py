"""`docker compose logs` and `docker compose up`: a service, a bar, and its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.event import EXITED, LogEvent
from crashloop.logs.formats.plain import stamped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

_SERVICE = re.compile(
    r"(?:\x1b\[[0-9;]{0,20}m)?(?P<name>[A-Za-z0-9][\w.-]{0,99}) +\| ?(?:\x1b\[0m)?"
)
_EXITED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]{0,99}) exited with code (?P<code>\d{1,3})(?: \(restarting\))?"
)


class Compose:
    """Each line's service is its source; what compose says of an exit is an event."""

    name = "compose"
    what = "docker compose logs, docker compose up"

    def fits(self, head: Sequence[str]) -> float:
        """The share of lines with a service before them, or an exit that compose tells."""
        said = [text for text in head if text.strip()]
        known = [text for text in said if _SERVICE.match(text) or _EXITED.fullmatch(text.rstrip())]
        return len(known) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line with its service; a line without an instant has that of the line before."""
        last_ns: dict[str, int | None] = {}
        for line in lines:
            if (found := _EXITED.fullmatch(line.text.rstrip())) is not None:
                data = {"exit_code": int(found["code"]), "by": "compose"}
                event = LogEvent(kind=EXITED, data=data, at_ns=0)
                source = found["name"]
                yield Entry(
                    line=line,
                    text=line.text,
                    source=source,
                    at_ns=last_ns.get(source),
                    event=event,
                )
                continue
            named = _SERVICE.match(line.text)
            source = named["name"] if named else ""
            at_ns, text = stamped(line.text[named.end() :] if named else line.text)
            if at_ns is not None:
                last_ns[source] = at_ns
            yield Entry(line=line, text=text, source=source, at_ns=last_ns.get(source))


FORMAT = Compose()

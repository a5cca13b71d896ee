"""`docker compose logs` and `docker compose up`: a service, a bar, and its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.logs.entry import Entry
from crashloop.logs.event import EXITED, PLATFORM_SAID, LogEvent
from crashloop.logs.formats.plain import stamped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_SERVICE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]{0,99}) +\| ?")
_EXITED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]{0,99}) exited with code (?P<code>\d{1,3})(?: \(restarting\))?"
)
_STATE = re.compile(
    r" ?[^\w\s]? ?Container (?P<name>[A-Za-z0-9][\w.-]{0,99}) +"
    r"(?P<state>Healthy|Unhealthy|Error|Exited|Started)(?: .{0,100})?"
)
_DEPENDENCY = re.compile(
    r"dependency failed to start: container (?P<name>[\w.-]{1,100}) (?P<state>is unhealthy|exited"
    r" \(\d{1,3}\)|has no healthcheck configured)"
)


class Compose:
    """Each line's service is its source; what compose says of an exit is an event."""

    name = "compose"
    what = "docker compose logs, docker compose up"

    def fits(self, head: Sequence[str]) -> float:
        """The share of lines with a service before them, or an exit that compose tells."""
        said = [_ANSI.sub("", text) for text in head if text.strip()]
        known = [text for text in said if _SERVICE.match(text) or _told(text) is not None]
        return len(known) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line with its service; a line without an instant has that of the line before."""
        last_ns: dict[str, int | None] = {}
        for line in lines:
            has_colours = line.text[:200].startswith("\x1b")
            text = _ANSI.sub("", line.text, count=4) if has_colours else line.text
            told = _told(text)
            if told is not None:
                source, event = told
                at_ns = last_ns.get(source)
                yield Entry(line=line, text=text, source=source, at_ns=at_ns, event=event)
                continue
            named = _SERVICE.match(text)
            source = named["name"] if named else ""
            at_ns, text = stamped(text[named.end() :] if named else text)
            if at_ns is not None:
                last_ns[source] = at_ns
            yield Entry(line=line, text=text, source=source, at_ns=last_ns.get(source))


def _told(text: str) -> tuple[str, LogEvent] | None:
    """What compose itself says of a container in a line; None for any other line."""
    text = text.rstrip()
    data: dict[str, Any] = {"by": "compose"}
    if (found := _EXITED.fullmatch(text)) is not None:
        data["exit_code"] = int(found["code"])
        return found["name"], LogEvent(kind=EXITED, data=data, at_ns=0)
    if (found := _STATE.fullmatch(text) or _DEPENDENCY.fullmatch(text)) is None:
        return None
    is_state = found.re is _STATE
    data |= {"says": found["state"].lower() if is_state else "dependency-failed", "text": text}
    return found["name"], LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)


FORMAT = Compose()

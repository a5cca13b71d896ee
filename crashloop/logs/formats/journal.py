"""`journalctl`: the lines of a unit, and what systemd says of it.

systemd 257: src/core/service.c and unit.c.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from crashloop.logs.entry import Entry
from crashloop.logs.event import EXITED, PLATFORM_SAID, STARTED, LogEvent
from crashloop.logs.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

HEAD_LINES = 200
BY = "systemd"
_LINE = re.compile(
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?|(?P<at>\d{4}-\d\d-\d\dT\S{8,30})) "
    r"\S{1,100} (?P<who>[\w./@:-]{1,100}?)(?:\[\d{1,10}\])?: (?P<text>.*)",
    re.DOTALL,
)
_EXIT = re.compile(
    r"(?P<unit>\S{1,200}): Main process exited, code=(?P<how>exited|killed|dumped), "
    r"status=(?P<code>\d{1,3})/(?P<name>\w{1,30})"
)
_OOM = re.compile(
    r"(?P<unit>\S{1,200}): A process of this unit has been killed by the OOM killer\."
)
_RESTART = re.compile(
    r"(?P<unit>\S{1,200}): Scheduled restart job, restart counter is at (?P<restarts>\d{1,7})\."
)
_STARTED = re.compile(r"Started (?P<unit>\S{1,200}?)(?: - .{0,200}|\.{1,3})?")


class Journal:
    """A unit's lines without what the journal writes before them.

    Where one program alone writes beside systemd, systemd's words are of that program.
    """

    name = "journal"
    what = "journalctl, also with -o short-iso; syslog"

    def fits(self, head: Sequence[str]) -> float:
        """The share of such lines."""
        said = [text for text in head if text.strip()]
        return 0.9 * len([t for t in said if _LINE.match(t)]) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line; one that is none of the journal's has the source of the line before."""
        rest = iter(lines)
        head = list(islice(rest, HEAD_LINES))
        heads = [found for line in head if (found := _LINE.match(line.text)) is not None]
        is_one = len({found["who"] for found in heads} - {"systemd"}) < 2  # noqa: PLR2004  one or none
        source, at_ns = "", None
        for line in chain(head, rest):
            found = _LINE.match(line.text)
            if found is None:
                yield Entry(line=line, text=line.text, source=source, at_ns=at_ns)
                continue
            at_ns = parse_instant(found["at"] or "")
            source = "" if is_one else found["who"]
            text, event = found["text"], None
            if found["who"] == "systemd" and (told := _said(text)) is not None:
                unit, event = told
                source = "" if is_one else unit
            yield Entry(line=line, text=text, source=source, at_ns=at_ns, event=event)


def _said(text: str) -> tuple[str, LogEvent] | None:
    """The unit of which systemd speaks, and the event."""
    data: dict[str, Any] = {"by": BY}
    if (found := _EXIT.fullmatch(text)) is not None:
        code, is_exit = int(found["code"]), found["how"] == "exited"
        data["exit_code"] = code if is_exit else 128 + code
        if not is_exit:
            data["signal"] = code
        return found["unit"], LogEvent(kind=EXITED, data=data, at_ns=0)
    if (found := _STARTED.fullmatch(text)) is not None:
        return found["unit"], LogEvent(kind=STARTED, data=data, at_ns=0)
    data["text"] = text
    if (found := _OOM.fullmatch(text)) is not None:
        data["says"] = "oom"
        return found["unit"], LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)
    if (found := _RESTART.fullmatch(text)) is not None:
        data |= {"says": "restarted", "restarts": int(found["restarts"])}
        return found["unit"], LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)
    return None


FORMAT = Journal()

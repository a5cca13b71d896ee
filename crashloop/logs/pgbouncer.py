"""The lines of PgBouncer's own log.

The form is that of libusual's log_generic: an instant, a process, a severity, and the message,
which begins with the client or server connection that it is about. Checked with PgBouncer 1.18.
"""

from __future__ import annotations

import re

from crashloop.logs.event import MAX_MESSAGE_CHARS, LogEvent

POOLER_SAID = "pooler.said"
"""The kind: `severity`, `message`, `process`; `about` is `client` or `server` where it is one's."""
_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S{1,6} \[(?P<process>\d{1,10})\] "
    r"(?P<severity>FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) "
    r"(?:(?P<side>[CS])-0x[0-9a-f]{1,16}: [^\s/]{1,100}/[^\s@]{1,100}@\S{1,120} )?(?P<message>\S.*)"
)
_SIDES = {"C": "client", "S": "server"}


class PgBouncerLines:
    """Each line is a message of its own."""

    def feed(self, text: str, at_ns: int) -> tuple[bool, list[LogEvent]]:
        """Take the next line: whether it is PgBouncer's, and its event."""
        found = _LINE.fullmatch(text.rstrip()) if text[:1].isdigit() else None
        if found is None:
            return False, []
        data = {
            "server": "pgbouncer",
            "severity": found["severity"],
            "message": found["message"][:MAX_MESSAGE_CHARS],
            "process": found["process"],
        }
        if found["side"]:
            data["about"] = _SIDES[found["side"]]
        return True, [LogEvent(kind=POOLER_SAID, data=data, at_ns=at_ns)]

    def end(self) -> list[LogEvent]:
        """No line waits for another."""
        return []

"""The lines of Redis' own log.

The form is that of serverLogRaw (server.c of Redis 7.0): a process, its role, an instant, a mark
for the severity, and the message. Checked with Redis 7.0.15.
"""

from __future__ import annotations

import re

from crashloop.logs.event import MAX_MESSAGE_CHARS, LogEvent

CACHE_SAID = "cache.said"
"""The kind: `severity`, `message`, `process`."""
_LINE = re.compile(
    r"(?P<process>\d{1,10}):(?:[XCSM] \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}"
    r" (?P<mark>[.*#-])|signal-handler \(\d{1,12}\)) (?P<message>\S.*)"
)
_SEVERITIES = {".": "debug", "-": "verbose", "*": "notice", "#": "warning", None: "warning"}


class RedisLines:
    """Each line is a message of its own."""

    def feed(self, text: str, at_ns: int) -> tuple[bool, list[LogEvent]]:
        """Take the next line: whether it is Redis', and its event."""
        found = _LINE.fullmatch(text.rstrip()) if text[:1].isdigit() else None
        if found is None:
            return False, []
        data = {
            "server": "redis",
            "severity": _SEVERITIES[found["mark"]],
            "message": found["message"][:MAX_MESSAGE_CHARS],
            "process": found["process"],
        }
        return True, [LogEvent(kind=CACHE_SAID, data=data, at_ns=at_ns)]

    def end(self) -> list[LogEvent]:
        """No line waits for another."""
        return []

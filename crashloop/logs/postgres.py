"""The lines of Postgres' own log, in the form of `log_line_prefix`'s default and its relatives.

Severities: "Table 19.2, Message Severity Levels" of PostgreSQL 17's documentation. A message's
DETAIL, HINT, CONTEXT, STATEMENT and QUERY stand in lines of their own after it (elog.c).
"""

from __future__ import annotations

import re
from typing import Any

from crashloop.logs.event import MAX_MESSAGE_CHARS, LogEvent

DATABASE_SAID = "database.said"
"""The kind: `severity`, `message`; `detail`, `hint`, `context`, `statement`, `query` where said."""

_LINE = re.compile(
    r"(?P<prefix>[^\n]{0,200}?(?:^|[\s\]]))(?P<severity>DEBUG|LOG|INFO|NOTICE|WARNING|ERROR|FATAL"
    r"|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION):  (?! )(?:(?P<sqlstate>[0-9A-Z]{5}): )?"
    r"(?P<message>.*)"
)
_CLIENT = re.compile(r"(?:failed|[Ee]rror): $")
"""What a client's own error writes before the words of the server that it repeats (libpq 12-18)."""
_PROCESS = re.compile(r"\[(\d{1,10})\]")
_MORE = frozenset({"DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"})


class PostgresLines:
    """Joins a message of one Postgres process with the lines that belong to it."""

    def __init__(self) -> None:
        self._data: dict[str, Any] | None = None
        self._process = ""
        self._at_ns = 0

    def feed(self, text: str, at_ns: int) -> tuple[bool, list[LogEvent]]:
        """Take the next line: whether it is Postgres', and the events that are now complete."""
        if ":  " not in text:
            return False, []
        found = _LINE.match(text)
        if found is None or _CLIENT.search(found["prefix"]):
            return False, []
        if not found["prefix"].strip() and found["severity"] == "WARNING":
            return False, []  # uvicorn writes it with two blanks, too
        process = _PROCESS.search(found["prefix"])
        number = process[1] if process else ""
        if found["severity"] in _MORE:
            if self._data is None or number != self._process:
                return number != "", []
            self._data[found["severity"].lower()] = found["message"][:MAX_MESSAGE_CHARS]
            return True, []
        done = self.end()
        self._process, self._at_ns = number, at_ns
        self._data = {
            "server": "postgres",
            "severity": found["severity"],
            "message": found["message"][:MAX_MESSAGE_CHARS],
            "process": number,
        }
        if found["sqlstate"]:
            self._data["sqlstate"] = found["sqlstate"]
        return True, done

    def end(self) -> list[LogEvent]:
        """The message that no further line will add to."""
        data, self._data = self._data, None
        return [] if data is None else [LogEvent(kind=DATABASE_SAID, data=data, at_ns=self._at_ns)]

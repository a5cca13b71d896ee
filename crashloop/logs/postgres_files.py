"""Postgres' own log as it writes it to files: csvlog and jsonlog, a message a line.

Columns and keys: "19.8.4. Using CSV-Format Log Output" and "19.8.5" of PostgreSQL 17's
documentation.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from crashloop.logs.event import MAX_MESSAGE_CHARS, LogEvent
from crashloop.logs.postgres import DATABASE_SAID
from crashloop.logs.structured import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_CSV = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S{1,6},")
_SEVERITY, _COLUMNS = 11, 23
# The columns that are read, and the keys of the same in jsonlog.
_FIELDS = (
    (3, "pid", "process"),
    (_SEVERITY, "error_severity", "severity"),
    (12, "state_code", "sqlstate"),
    (13, "message", "message"),
    (14, "detail", "detail"),
    (15, "hint", "hint"),
    (18, "context", "context"),
    (19, "statement", "statement"),
)
_SEVERITIES = frozenset({"LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"})


class PostgresFileLines:
    """Each line is a whole message with all that belongs to it."""

    def feed(self, text: str, at_ns: int) -> tuple[bool, list[LogEvent]]:
        """Take the next line: whether it is Postgres', and its event."""
        said = _of_json(text) if text.startswith("{") else _of_csv(text)
        if said is None or said.get("severity") not in _SEVERITIES:
            return False, []
        data = {k: v[:MAX_MESSAGE_CHARS] for k, v in said.items() if v and v != "00000"}
        return True, [
            LogEvent(kind=DATABASE_SAID, data={"server": "postgres", **data}, at_ns=at_ns)
        ]

    def end(self) -> list[LogEvent]:
        """No line waits for another."""
        return []


def _of_json(text: str) -> Mapping[str, str] | None:
    found: dict[str, Any] | None = json_object(text) if '"error_severity"' in text else None
    if found is None or "backend_type" not in found:
        return None
    return {name: str(found.get(key) or "") for _, key, name in _FIELDS}


def _of_csv(text: str) -> Mapping[str, str] | None:
    if _CSV.match(text) is None:
        return None
    try:
        row = next(csv.reader([text]))
    except csv.Error:
        return None
    if len(row) < _COLUMNS:
        return None
    return {name: row[column] for column, _, name in _FIELDS}

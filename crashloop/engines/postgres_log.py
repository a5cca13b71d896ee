"""Errors in Postgres' log: who was refused what, by SQLSTATE, as the server itself wrote it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.engines.server import Emit

PREFIX = "%m [%p] %e %q%r %u@%d "
"""The server's log_line_prefix. %q: a process without a session stops there."""
MOST_ERRORS = 1000
MAX_NAME_CHARS = 63

# The rest of a line is the app's own: names of roles and databases, and the text. Postgres indents
# the further lines of a text, so only a line that it began itself matches.
_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[(?P<pid>\d{1,10})\] (?P<sqlstate>[0-9A-Z]{5}) "
    r"(?:(?P<client>\S+) (?P<names>.*?) )??"
    r"(?P<severity>DEBUG|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
    r"|DETAIL|HINT|QUERY|CONTEXT|LOCATION|BACKTRACE|STATEMENT):  "
)
_CLIENT = re.compile(r"(?P<host>[0-9a-fA-F.:]{2,45})\((?P<port>\d{1,5})\)")
_ERRORS = frozenset({"ERROR", "FATAL", "PANIC"})
_OWN = "[local]"  # the Unix socket, which only the harness uses
_UNKNOWN = "[unknown]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedError:
    """An error that Postgres logged.

    `client` is the `host:port` of its TCP client. `role` is None where it was not known yet.
    """

    sqlstate: str
    severity: str
    pid: int
    role: str | None = None
    client: str | None = None


def logged_error(line: str) -> LoggedError | None:
    """The error in a line of the log, if it is one and not the harness's own."""
    found = _LINE.match(line)
    if found is None or found["severity"] not in _ERRORS or found["client"] == _OWN:
        return None
    role, at, _ = (found["names"] or "").rpartition("@")
    client = _CLIENT.fullmatch(found["client"] or "")
    return LoggedError(
        sqlstate=found["sqlstate"],
        severity=found["severity"],
        pid=int(found["pid"]),
        role=role[:MAX_NAME_CHARS] if at and role != _UNKNOWN else None,
        client=f"{client['host']}:{client['port']}" if client else None,
    )


class ErrorLog:
    """Makes a `database.error` of each error in the log's lines.

    At most 1000; one more emits `database.errors_cut`, and the log has the rest.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._count = 0

    def line(self, text: str) -> None:
        """Take one line of the log."""
        error = logged_error(text)
        if error is None:
            return
        self._count += 1
        if self._count <= MOST_ERRORS:
            self._emit("database.error", asdict(error))
        elif self._count == MOST_ERRORS + 1:
            self._emit("database.errors_cut", {"after": MOST_ERRORS})

"""Errors in Postgres' log: who was refused what, by SQLSTATE, as the server itself wrote it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.engines.server import Emit

PREFIX = "%m [%p] %s %c %e %q%r %u "
"""The server's log_line_prefix, with log_timezone UTC. %q: a process without a session stops there.

The session's start and id only make it longer than the 63 bytes of a role's name, which may have a
line break: no name can hold a whole prefix. Postgres indents the further lines of its texts.
"""
LOGIN_REFUSED = "28P01"
MOST_ERRORS = 1000
MAX_NAME_CHARS = 63

_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC \[(?P<pid>\d{1,10})\] "
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC [0-9a-f]{6,16}\.[0-9a-f]{1,8} (?P<sqlstate>[0-9A-Z]{5}) "
    r"(?:(?P<client>\S+) (?P<role>.*?) )??"
    r"(?P<severity>DEBUG|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
    r"|DETAIL|HINT|QUERY|CONTEXT|LOCATION|BACKTRACE|STATEMENT):  "
)
_CLIENT = re.compile(r"(?P<host>[0-9a-fA-F.:]{2,45})\((?P<port>\d{1,5})\)")
_ERRORS = frozenset({"ERROR", "FATAL", "PANIC"})
OWN = "[local]"
"""The client of a session over the Unix socket, which only the harness uses."""
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


def parsed(line: str) -> re.Match[str] | None:
    """The prefix of a line, with the groups `pid`, `sqlstate`, `client`, `role` and `severity`.

    None if it has none. What the line says follows the match.
    """
    return _LINE.match(line)


def logged_error(line: str) -> LoggedError | None:
    """The error in a line of the log, if it is one and not the harness's own."""
    found = parsed(line)
    if found is None or found["severity"] not in _ERRORS:
        return None
    return _by_client(found, severity=found["severity"])


def _by_client(found: re.Match[str], *, severity: str) -> LoggedError | None:
    """What the line's session was told; None if it is the harness's own."""
    if found["client"] == OWN:
        return None
    role = found["role"]
    client = _CLIENT.fullmatch(found["client"] or "")
    return LoggedError(
        sqlstate=found["sqlstate"],
        severity=severity,
        pid=int(found["pid"]),
        role=role[:MAX_NAME_CHARS] if role and role != _UNKNOWN else None,
        client=f"{client['host']}:{client['port']}" if client else None,
    )


def unknown_role(line: str) -> LoggedError | None:
    """The refusal of which a line says that its role does not exist, if it does.

    Postgres says so in its log only: to the client it is a wrong password.
    """
    found = parsed(line)
    if found is None or (found["severity"], found["sqlstate"]) != ("DETAIL", LOGIN_REFUSED):
        return None
    says = line[found.end() :].rstrip("\n")
    if not (says.startswith('Role "') and says.endswith('" does not exist.')):
        return None
    return _by_client(found, severity="FATAL")


class ErrorLog:
    """Makes a `database.error` of each error in the log's lines.

    At most 1000; one more emits `database.errors_cut`, and the log has the rest. Emits a
    `database.role_unknown` after the refusal of a role that does not exist.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._count = 0

    def line(self, text: str) -> None:
        """Take one line of the log."""
        error = logged_error(text)
        if error is None:
            if self._count <= MOST_ERRORS and (refusal := unknown_role(text)):
                self._emit("database.role_unknown", asdict(refusal))
            return
        self._count += 1
        if self._count <= MOST_ERRORS:
            self._emit("database.error", asdict(error))
        elif self._count == MOST_ERRORS + 1:
            self._emit("database.errors_cut", {"after": MOST_ERRORS})

"""How many sessions Postgres had at once, as its own log says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.engines.postgres_log import OWN, parsed
from crashloop.trace.event import SESSIONS_PEAK

if TYPE_CHECKING:
    from crashloop.engines.server import Emit

MOST_SESSIONS = 100_000
"""How many sessions of a run are looked at; more than any run has."""

_BEGUN = "connection authorized:"
_ENDED = "disconnection:"


class SessionLog:
    """Counts the sessions that a role has at once, over TCP.

    The harness's own, and those that a fault holds, use the Unix socket. A connection that is
    refused for want of a slot is authorized before, but is never said to be disconnected: it is no
    session.
    """

    def __init__(self, emit: Emit, *, role: str) -> None:
        self._emit = emit
        self._role = role
        self._lines = 0
        self._open: dict[str, int] = {}
        self._sessions: list[tuple[int, int]] = []

    def line(self, text: str) -> None:
        """Take one line of the log."""
        found = parsed(text)
        if found is None or len(self._sessions) >= MOST_SESSIONS:
            return
        self._lines += 1
        says, pid = text[found.end() :], found["pid"]
        if says.startswith(_BEGUN) and found["role"] == self._role and found["client"] != OWN:
            self._open[pid] = self._lines
        elif says.startswith(_ENDED) and (begun := self._open.pop(pid, None)) is not None:
            self._sessions.append((begun, self._lines))

    def restarted(self) -> None:
        """Forget what was open: the server was started again, and no session survives that."""
        self._open.clear()

    def report(self) -> None:
        """Emit `database.sessions_peak` with the most sessions at once; the server has ended."""
        changes = [(at, 1) for at, _ in self._sessions] + [(at, -1) for _, at in self._sessions]
        peak = count = 0
        for _, change in sorted(changes):
            count += change
            peak = max(peak, count)
        self._emit(SESSIONS_PEAK, {"count": peak})

"""How many sessions Postgres had at once, as its own log says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.engines.postgres_log import OWN, parsed
from crashloop.trace.event import SESSIONS_PEAK

if TYPE_CHECKING:
    from crashloop.engines.server import Emit

_BEGUN = "connection authorized:"
_ENDED = "disconnection:"
_OVER = frozenset({"FATAL", "PANIC"})


class SessionLog:
    """Makes a `database.sessions_peak` whenever a role has more sessions than ever before.

    They are counted from being authorized to their end, over TCP only: the harness's own, and those
    that a fault holds, use the Unix socket.
    """

    def __init__(self, emit: Emit, *, role: str) -> None:
        self._emit = emit
        self._role = role
        self._pids: set[str] = set()
        self._peak = 0

    def line(self, text: str) -> None:
        """Take one line of the log."""
        found = parsed(text)
        if found is None:
            return
        says = text[found.end() :]
        if found["severity"] in _OVER or says.startswith(_ENDED):
            self._pids.discard(found["pid"])
        elif says.startswith(_BEGUN) and found["role"] == self._role and found["client"] != OWN:
            self._pids.add(found["pid"])
            if len(self._pids) > self._peak:
                self._peak = len(self._pids)
                self._emit(SESSIONS_PEAK, {"count": self._peak})

    def restarted(self) -> None:
        """Forget all sessions: the server was started again, and none survives that."""
        self._pids.clear()

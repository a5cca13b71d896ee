"""Kernel receipts: the clients that wait while a closed gate drops their SYNs."""

from __future__ import annotations

import functools
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crashloop.proxy.address import is_wildcard
from crashloop.proxy.kernel.owner import owner_pid, session_of
from crashloop.proxy.kernel.sock_diag import ESTABLISHED, SYN_SENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.address import Endpoint
    from crashloop.proxy.events import Emit
    from crashloop.proxy.kernel.sock_diag import SocketTable, TcpSocket

PERIOD_S = 0.015
"""Time between two samples; a connect() that is given up between them is not seen."""

_FIRST_RETRANSMISSION_S = 1
"""After the first SYN: RFC 6298, and Linux's TCP_TIMEOUT_INIT."""

# gone: gave up, closed or died.
GoneReason = Literal["gone", "admitted", "unwatched"]


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A client in SYN_SENT towards the gate; instants of the monotonic clock, in ns.

    `first_ns` is when it sent its first SYN, to within a tick of the kernel's clock.
    """

    inode: int
    pid: int | None
    session: int | None
    host: str
    port: int
    first_ns: int
    last_ns: int
    retransmit_in_s: float
    released_ns: int | None = None

    def identity(self) -> dict[str, object]:
        """Which socket of which process."""
        return {"inode": self.inode, "pid": self.pid, "session": self.session}


class SynWatch:
    """Samples the socket table and emits `gate.syn_seen` and `gate.syn_gone`, once per socket."""

    def __init__(
        self,
        *,
        fault_id: str,
        table: SocketTable,
        host: str,
        port: int,
        is_own: Callable[[int], bool],
        pids: Callable[[], Iterable[int]],
        emit: Emit,
    ) -> None:
        self._fault_id = fault_id
        self._table = table
        self._host = "" if is_wildcard(host) else host
        self._port = port
        self._is_own = is_own
        self._pids = pids
        self._emit = emit
        self._sampled_ns = time.monotonic_ns()
        self.waiting: dict[int, Waiting] = {}

    def sample(self, admit: Callable[[], None] | None = None) -> None:
        """Take a sample. `admit` admits the clients that connected before the table was read.

        It is called before any client counts as gone, so a connected client never does.
        """
        now_ns = time.monotonic_ns()
        found = {
            entry.inode: entry
            for entry in self._table.read(SYN_SENT)
            if entry.inode and self._is_ours(entry) and not self._is_own(entry.local_port)
        }
        for inode, entry in found.items():
            known = self.waiting.get(inode)
            if known is None:
                self._begin(entry, now_ns)
            else:
                known.last_ns = now_ns
                known.retransmit_in_s = entry.retransmit_in_s or 0
        self._sampled_ns = now_ns
        if admit is not None:
            admit()
        for waiting in [each for each in self.waiting.values() if each.inode not in found]:
            self.end(waiting, "gone")

    def end(self, waiting: Waiting, reason: GoneReason) -> None:
        """Remove a client, with an event."""
        if self.waiting.pop(waiting.inode, None) is not None:
            data = self._data(waiting)
            self._emit("gate.syn_gone", {**data, "reason": reason})

    def find(self, peer: Endpoint | None) -> Waiting | None:
        """Find the waiting client that has just connected from this host and port."""
        for waiting in self.waiting.values():
            if peer == (waiting.host, waiting.port) and self._still_theirs(waiting):
                return waiting
        return None

    def _still_theirs(self, waiting: Waiting) -> bool:
        inodes = {
            entry.inode
            for entry in self._table.read(ESTABLISHED)
            if entry.local_port == waiting.port and entry.remote_port == self._port
        }
        return waiting.inode in inodes or inodes <= {0}

    def _is_ours(self, entry: TcpSocket) -> bool:
        if entry.remote_port != self._port:
            return False
        return entry.remote_host == self._host if self._host else is_local(entry.remote_host)

    def _begin(self, entry: TcpSocket, now_ns: int) -> None:
        pid = owner_pid(entry.inode, self._pids())
        waiting = Waiting(
            inode=entry.inode,
            pid=pid,
            session=session_of(pid),
            host=entry.local_host,
            port=entry.local_port,
            first_ns=self._sent_ns(entry, now_ns),
            last_ns=now_ns,
            retransmit_in_s=entry.retransmit_in_s or 0,
        )
        self.waiting[waiting.inode] = waiting
        self._emit("gate.syn_seen", self._data(waiting))

    def _sent_ns(self, entry: TcpSocket, now_ns: int) -> int:
        """The instant of a new socket's first SYN, by its retransmission timer where possible."""
        if entry.retransmissions or entry.retransmit_in_s is None:
            return now_ns
        ago_ns = round((_FIRST_RETRANSMISSION_S - entry.retransmit_in_s) * 1e9)
        return min(now_ns, max(self._sampled_ns, now_ns - ago_ns))

    def _data(self, waiting: Waiting) -> dict[str, object]:
        return {
            "fault": self._fault_id,
            **waiting.identity(),
            "first_ns": waiting.first_ns,
            "last_ns": waiting.last_ns,
        }


@functools.lru_cache(maxsize=256)
def is_local(host: str) -> bool:
    """Whether this IP address is one of this machine's own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True

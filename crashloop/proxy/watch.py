"""Kernel receipts: the clients whose SYNs a closed gate drops."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crashloop.proxy.address import is_wildcard
from crashloop.proxy.syn import ESTABLISHED, SYN_SENT, owner_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.acceptor import Peer
    from crashloop.proxy.events import Emit
    from crashloop.proxy.syn import SocketTable, TcpSocket

PERIOD_S = 0.015
"""Time between two samples; a connect() given up within it can go unseen."""

# gone: gave up, closed or died; early: slipped through before its time.
GoneReason = Literal["gone", "admitted", "early", "unwatched"]


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A client in SYN_SENT towards the gate; instants of the monotonic clock, in ns."""

    inode: int
    pid: int | None
    port: int
    first_ns: int
    last_ns: int
    retransmit_in_s: float
    released_ns: int | None = None


class SynWatch:
    """Samples the socket table and emits `gate.syn_seen` and `gate.syn_gone`, once per socket."""

    def __init__(
        self,
        *,
        fault_id: str,
        table: SocketTable,
        host: str,
        port: int,
        own_inodes: Callable[[], frozenset[int]],
        pids: Callable[[], Iterable[int]],
        emit: Emit,
    ) -> None:
        self._fault_id = fault_id
        self._table = table
        self._host = "" if is_wildcard(host) else host
        self._port = port
        self._own_inodes = own_inodes
        self._pids = pids
        self._emit = emit
        self.waiting: dict[int, Waiting] = {}

    def sample(self, admit: Callable[[], None] | None = None) -> None:
        """Look once. `admit` takes in who has connected before the table was read.

        It is called before anybody counts as gone, so who came in is never taken for gone.
        """
        now_ns = time.monotonic_ns()
        own = self._own_inodes()
        found = {
            entry.inode: entry
            for entry in self._table.read(SYN_SENT)
            if self._is_ours(entry) and entry.inode and entry.inode not in own
        }
        for inode, entry in found.items():
            known = self.waiting.get(inode)
            if known is None:
                self._begin(entry, now_ns)
            else:
                known.last_ns = now_ns
                known.retransmit_in_s = entry.retransmit_in_s or 0
        if admit is not None:
            admit()
        for waiting in [each for each in self.waiting.values() if each.inode not in found]:
            self.end(waiting, "gone")

    def end(self, waiting: Waiting, reason: GoneReason) -> None:
        """Forget a client, with an event."""
        if self.waiting.pop(waiting.inode, None) is not None:
            data = self._data(waiting)
            self._emit("gate.syn_gone", {**data, "reason": reason})

    def find(self, peer: Peer) -> Waiting | None:
        """The waiting client that just connected from this host and port, if it is one."""
        for waiting in self.waiting.values():
            if peer is not None and waiting.port == peer[1] and self._still_theirs(waiting):
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
        return entry.remote_port == self._port and self._host in {"", entry.remote_host}

    def _begin(self, entry: TcpSocket, now_ns: int) -> None:
        waiting = Waiting(
            inode=entry.inode,
            pid=owner_pid(entry.inode, self._pids()),
            port=entry.local_port,
            first_ns=now_ns,
            last_ns=now_ns,
            retransmit_in_s=entry.retransmit_in_s or 0,
        )
        self.waiting[waiting.inode] = waiting
        self._emit("gate.syn_seen", self._data(waiting))

    def _data(self, waiting: Waiting) -> dict[str, object]:
        return {
            "fault": self._fault_id,
            "inode": waiting.inode,
            "pid": waiting.pid,
            "first_ns": waiting.first_ns,
            "last_ns": waiting.last_ns,
        }

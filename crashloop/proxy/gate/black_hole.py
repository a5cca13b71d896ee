"""Black hole and connect delay: a shut TCP gate and the clients that wait for it."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.proxy.faults import ConnectDelay
from crashloop.proxy.kernel.sock_diag import SocketTable
from crashloop.proxy.kernel.steering import MOST_SOURCES
from crashloop.proxy.kernel.syn_watch import PERIOD_S, SynWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.address import Endpoint
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import GateFault
    from crashloop.proxy.gate.tcp import TcpGate
    from crashloop.proxy.kernel.syn_watch import Waiting

PROBE_LIMIT_S = 0.05
"""How long the self-probe waits; over loopback an open port answers within 1 ms."""

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
"""Both can reach either gate: `[::]` takes IPv4, and an IPv6 socket can connect to IPv4."""


class ActiveBlackHole:
    """One BlackHole or ConnectDelay on one gate, from `begin()` to `heal()`.

    A connect delay lets in each client, by its address and port, when its delay has passed
    (`gate.ajar`); the client connects with its kernel's next SYN. Only clients of this network
    namespace are seen: for others a connect delay is a black hole until the heal.

    After the heal the watch continues until each client has connected or given up.
    """

    def __init__(
        self,
        *,
        fault_id: str,
        fault: GateFault,
        gate: TcpGate,
        pids: Callable[[], Iterable[int]],
        emit: Emit,
    ) -> None:
        self._fault_id = fault_id
        self._delay_ns: int | None = None
        if isinstance(fault, ConnectDelay):
            self._delay_ns = round(fault.delay_s * 1e9)
        self._mode = fault.kind
        self._gate = gate
        self._emit = emit
        self._stack = ExitStack()
        self._admitted = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._stands = False
        self._let_in: frozenset[Endpoint] = frozenset()
        self._table = SocketTable(_FAMILIES)
        self._watch = SynWatch(
            fault_id=fault_id,
            table=self._table,
            host=gate.address.host,
            port=gate.address.port,
            is_own=gate.is_own,
            pids=pids,
            emit=emit,
        )

    async def begin(self) -> None:
        """Shut the gate, start to watch, and prove by a connect() that nobody answers.

        Raises CapabilityError where SYNs cannot be dropped or watched and HarnessError when the
        proof fails; the gate is open again then.
        """
        self._stack.enter_context(self._table)
        try:
            await self._gate.shut()
            self._stands = True
            self._emit("gate.closed", {"fault": self._fault_id, "mode": self._mode})
            self._watching = asyncio.create_task(self._run(), name=f"watch {self._fault_id}")
            await self._prove()
        except BaseException:
            await self.stop()
            self._gate.unshut()
            raise

    async def heal(self) -> None:
        """Open the gate; clients come in at their next SYN retransmission.

        Raises the error that ended the watch, if there was one: the receipts are incomplete then.
        """
        if self._watching is None or not self._watching.done():
            self._watch.sample(self._gate.drain)
        now_ns = time.monotonic_ns()
        for waiting in self._watch.waiting.values():
            waiting.released_ns = waiting.released_ns or now_ns
        self._stands = False
        self._gate.unshut()
        self._emit("gate.opened", {"fault": self._fault_id})
        if self._watching is not None and self._watching.done():
            self._watching.result()

    async def stop(self) -> None:
        """Stop watching without changing the gate."""
        self._stands = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        for waiting in tuple(self._watch.waiting.values()):
            self._watch.end(waiting, "unwatched")
        self._stack.close()

    def find_released(self, peer: Endpoint | None) -> Waiting | None:
        """Find the released client that has just connected from this host and port."""
        waiting = self._watch.find(peer) if self._watch.waiting else None
        if waiting is not None and waiting.released_ns is not None:
            return waiting
        return None

    def admit(self, link: str, waiting: Waiting) -> None:
        """Emit the receipt of a client that was let in."""
        now_ns = time.monotonic_ns()
        self._emit(
            "gate.admitted",
            {
                "fault": self._fault_id,
                "link": link,
                "inode": waiting.inode,
                "pid": waiting.pid,
                "waited_s": (now_ns - waiting.first_ns) / 1e9,
                "released_ns": waiting.released_ns,
                "connected_ns": now_ns,
            },
        )
        self._watch.end(waiting, "admitted")
        self._admitted.set()

    async def _prove(self) -> None:
        seen = await self._gate.observe(PROBE_LIMIT_S)
        self._emit("gate.checked", {"fault": self._fault_id, "observed": seen})
        if seen != "no answer":
            raise HarnessError(
                f"{self._gate.address} should drop SYNs, but a connect() saw: {seen}.",
                hint="Is this kernel's TCP its own (a sandbox, a proxy below)? Use a hold.",
            )

    async def _run(self) -> None:
        try:
            while self._stands or self._watch.waiting:
                self._step()
                self._admitted.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._admitted.wait()
        finally:
            self._stack.close()

    def _step(self) -> None:
        self._watch.sample(self._gate.drain)
        if not self._stands or self._delay_ns is None:
            return
        now_ns = time.monotonic_ns()
        for waiting in self._watch.waiting.values():
            if waiting.released_ns is None and waiting.first_ns + self._delay_ns <= now_ns:
                waiting.released_ns = now_ns
                self._emit("gate.ajar", {"fault": self._fault_id, **waiting.identity()})
        released = [each for each in self._watch.waiting.values() if each.released_ns is not None]
        released.sort(key=lambda waiting: waiting.retransmit_in_s)
        let_in = frozenset((each.host, each.port) for each in released[:MOST_SOURCES])
        if let_in != self._let_in:
            self._gate.let_in(let_in)
            self._let_in = let_in

    def _pause_s(self) -> float:
        """Seconds until the next sample, or until the next client's delay has passed."""
        now_ns = time.monotonic_ns()
        due_s = [
            (waiting.first_ns + self._delay_ns - now_ns) / 1e9
            for waiting in self._watch.waiting.values()
            if self._delay_ns is not None and waiting.released_ns is None
        ]
        return max(0, min([PERIOD_S, *due_s]))

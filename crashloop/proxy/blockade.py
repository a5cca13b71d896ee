"""Black hole and connect delay: a TCP gate that is shut, and who waits before it."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.proxy.faults import ConnectDelay
from crashloop.proxy.syn import SocketTable
from crashloop.proxy.watch import PERIOD_S, SynWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.acceptor import Peer
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import BlackHole
    from crashloop.proxy.gate_tcp import TcpGate
    from crashloop.proxy.watch import Waiting

PROBE_LIMIT_S = 0.05
"""How long the self-probe waits; over loopback an open port answers within 1 ms."""

_OPEN_AHEAD_S = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a new connection is to a blockade: awaited, or early and to be held (fault, until)."""

    awaited: Waiting | None = None
    hold: tuple[str, int] | None = None


class Blockade:
    """One BlackHole or ConnectDelay on one gate, from `begin()` to `heal()`; then it watches on.

    A connect delay opens the gate for a client whose time has come, only shortly before that
    client's kernel sends its SYN again (`gate.ajar`), and shuts it afterwards (`gate.shut`). The
    kernel cannot be told whom to let in, so another client may slip through meanwhile: it is held
    for the rest of its delay.

    After the heal the watch goes on until each client has come in or given up.
    """

    def __init__(
        self,
        *,
        fault_id: str,
        fault: BlackHole | ConnectDelay,
        gate: TcpGate,
        pids: Callable[[], Iterable[int]],
        emit: Emit,
    ) -> None:
        self._fault_id = fault_id
        self._delay_ns: int | None = None
        if isinstance(fault, ConnectDelay):
            self._delay_ns = round(fault.delay_s * 1e9)
        self._mode = fault.mode
        self._gate = gate
        self._emit = emit
        self._stack = ExitStack()
        self._changing = asyncio.Lock()
        self._admitted = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._stands = False
        self._table = SocketTable((gate.family,))
        self._watch = SynWatch(
            fault_id=fault_id,
            table=self._table,
            host=gate.address.host,
            port=gate.address.port,
            own_inodes=gate.own_inodes,
            pids=pids,
            emit=emit,
        )

    async def begin(self) -> None:
        """Shut the gate, start to watch, and prove by an own connect() that nobody answers.

        Raises CapabilityError where SYNs cannot be watched and HarnessError when the proof fails;
        the gate is open again then.
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
            if self._gate.is_shut:
                self._gate.unshut()
            raise

    async def heal(self) -> None:
        """Open the gate; clients come in at their next SYN retransmission.

        Raises what ended the watch, if something did: the receipts are incomplete then.
        """
        async with self._changing:
            self._watch.sample(None if self._gate.is_shut else self._gate.drain)
            now_ns = time.monotonic_ns()
            for waiting in self._watch.waiting.values():
                waiting.released_ns = waiting.released_ns or now_ns
            self._stands = False
            if self._gate.is_shut:
                self._gate.unshut()
            self._emit("gate.opened", {"fault": self._fault_id})
        if self._watching is not None and self._watching.done():
            self._watching.result()

    async def stop(self) -> None:
        """Stop to watch; the gate stays as it is."""
        self._stands = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        for waiting in tuple(self._watch.waiting.values()):
            self._watch.end(waiting, "unwatched")
        self._stack.close()

    def meet(self, peer: Peer) -> Arrival:
        """Say what a connection from this host and port is to the blockade."""
        waiting = self._watch.find(peer) if self._watch.waiting else None
        if waiting is not None and waiting.released_ns is not None:
            return Arrival(awaited=waiting)
        if self._delay_ns is None or not self._stands:
            return Arrival()
        since_ns = time.monotonic_ns()
        if waiting is not None:
            since_ns = waiting.first_ns
            self._watch.end(waiting, "early")
        return Arrival(hold=(self._fault_id, since_ns + self._delay_ns))

    def admit(self, link: str, waiting: Waiting) -> None:
        """Give the receipt for a client that was let in."""
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
                f"{self._gate.address} should swallow SYNs, but an own connect() saw: {seen}.",
                hint="Is this kernel's TCP its own (a sandbox, a proxy below)? Use a hold.",
            )

    async def _run(self) -> None:
        try:
            while self._stands or self._watch.waiting:
                async with self._changing:
                    await self._step()
                self._admitted.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(PERIOD_S):
                        await self._admitted.wait()
        finally:
            self._stack.close()

    async def _step(self) -> None:
        self._watch.sample(None if self._gate.is_shut else self._gate.drain)
        if not self._stands:
            return
        now_ns = time.monotonic_ns()
        for waiting in self._watch.waiting.values():
            due = self._delay_ns is not None and now_ns >= waiting.first_ns + self._delay_ns
            if due and waiting.released_ns is None:
                waiting.released_ns = now_ns
        opens = any(
            waiting.released_ns is not None and waiting.retransmit_in_s <= _OPEN_AHEAD_S
            for waiting in self._watch.waiting.values()
        )
        if opens and self._gate.is_shut:
            self._gate.unshut()
            self._emit("gate.ajar", {"fault": self._fault_id})
        elif not opens and not self._gate.is_shut:
            await self._gate.shut()
            self._emit("gate.shut", {"fault": self._fault_id})

"""The fault proxy: one gate, its links, and the faults that are on."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Self

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.address import Address, resolve
from crashloop.proxy.blockade import Arrival, Blockade
from crashloop.proxy.dial import open_socket
from crashloop.proxy.faults import BlackHole, ConnectDelay, Hold, Latency, Refuse
from crashloop.proxy.gate_tcp import TcpGate
from crashloop.proxy.gate_unix import UnixGate
from crashloop.proxy.link import Link
from crashloop.proxy.peers import client_pid
from crashloop.proxy.pipe import SCRATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.acceptor import Peer
    from crashloop.proxy.address import AddressLike, Target
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Fault

_REFUSAL_LIMIT_S = 0.25


class FaultProxy:
    """Forwards connections from `listen` to `upstream`, and injects faults into them.

    An async context manager on the running loop (asyncio or uvloop); the body runs while it
    listens, and leaving it closes every link. `emit` gets each event at the instant it happens.
    `watch_pids` names the processes to which a waiting SYN may belong. `name` begins the name of
    each link, so give every proxy of one trace its own. `dial_limit_s` bounds one upstream
    connect, in wall seconds.

    Raises UsageError for an address that cannot be used, and for an unknown upstream host.
    """

    def __init__(
        self,
        *,
        listen: AddressLike,
        upstream: AddressLike,
        emit: Emit,
        name: str = "proxy",
        dial_limit_s: float = 5,
        watch_pids: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        self.name = name
        self.upstream = Address.of(upstream)
        self._listen = Address.of(listen)
        self._emit = emit
        self._dial_limit_s = dial_limit_s
        self._watch_pids = watch_pids
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._targets: tuple[Target, ...] = ()
        self._gate: TcpGate | UnixGate | None = None
        self._links: dict[str, Link] = {}
        self._opened = 0
        self._faults: dict[str, Fault] = {}
        self._blockade: Blockade | None = None
        self._changing = asyncio.Lock()

    @property
    def address(self) -> Address:
        """Where the proxy listens, with the real port."""
        return self._listen if self._gate is None else self._gate.address

    @property
    def links(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        assert self._gate is None, "a proxy is entered once"
        self._targets = await asyncio.to_thread(resolve, self.upstream)
        gate = UnixGate if self._listen.path else TcpGate
        self._gate = gate(address=self._listen, admit=self._admit, emit=self._emit)
        self._gate.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._gate is not None
        if self._blockade is not None:
            await self._blockade.stop()
        self._gate.close()
        dialling = [link.dialling for link in self._links.values() if link.dialling is not None]
        for link in tuple(self._links.values()):
            link.cut()
        await asyncio.gather(*dialling, return_exceptions=True)

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Turn a fault on; it works, and where possible is proven to work, at the return.

        Raises CapabilityError where this address or machine cannot do it, UsageError when the
        name is taken or the gate has a fault already, HarnessError when the proof fails. After
        an error the fault is off.
        """
        async with self._changing:
            self._require_possible(fault_id, fault)
            match fault:
                case Hold():
                    pass
                case Latency():
                    for link in tuple(self._links.values()):
                        link.delay(fault_id, fault)
                case Refuse():
                    await self._refuse(fault_id)
                case BlackHole() | ConnectDelay():
                    await self._block(fault_id, fault)
            self._faults[fault_id] = fault

    async def heal(self, fault_id: str) -> None:
        """Turn a fault off; what it held goes on at once.

        Raises UsageError for a name that is not on, HarnessError when the proof that it worked
        to its end fails; the fault is off then, too.
        """
        async with self._changing:
            fault = self._faults.pop(fault_id, None)
            match fault:
                case None:
                    raise UsageError(
                        f"The proxy {self.name} has no fault {fault_id!r} to heal.",
                        hint=f"On are: {', '.join(self._faults) or 'none'}.",
                    )
                case Hold():
                    self._release(fault_id)
                case Latency():
                    for link in tuple(self._links.values()):
                        link.undelay(fault_id)
                case Refuse():
                    await self._accept_again(fault_id)
                case BlackHole() | ConnectDelay():
                    assert self._blockade is not None
                    await self._blockade.heal()
                    self._release(fault_id)

    def _require_possible(self, fault_id: str, fault: Fault) -> None:
        kind = type(fault).__name__
        transport = self.address.transport
        if transport not in fault.transports:
            raise CapabilityError(
                f"{kind} needs TCP, and {self.address} is a Unix socket: its kernel has no SYN "
                "to drop, and a full backlog fails at once instead of waiting.",
                hint="Use Hold: behind a Unix socket a dead path shows as accepted, then silent.",
            )
        if fault_id in self._faults:
            raise UsageError(f"The proxy {self.name} has a fault {fault_id!r} already.")
        on_gate = [each for each, other in self._faults.items() if _is_on_gate(other)]
        if _is_on_gate(fault) and on_gate:
            raise UsageError(
                f"{kind} {fault_id!r} cannot be injected: {on_gate[0]!r} has the gate.",
                hint=f"Heal {on_gate[0]!r} first.",
            )

    async def _refuse(self, fault_id: str) -> None:
        assert self._gate is not None
        self._gate.refuse()
        self._emit("gate.closed", {"fault": fault_id, "mode": "refuse"})
        for link in tuple(self._links.values()):
            link.cut()
        try:
            await self._check_refusal(fault_id)
        except BaseException:
            self._gate.reopen()
            raise

    async def _accept_again(self, fault_id: str) -> None:
        assert self._gate is not None
        try:
            await self._check_refusal(fault_id)
        finally:
            self._gate.reopen()
            self._emit("gate.opened", {"fault": fault_id})

    async def _check_refusal(self, fault_id: str) -> None:
        assert self._gate is not None
        seen = await self._gate.observe(_REFUSAL_LIMIT_S)
        self._emit("gate.checked", {"fault": fault_id, "observed": seen})
        if seen != "refused":
            raise HarnessError(
                f"{self.address} should refuse, but an own connect() saw: {seen}.",
                hint="Does another process listen on this address?",
            )

    async def _block(self, fault_id: str, fault: BlackHole | ConnectDelay) -> None:
        assert isinstance(self._gate, TcpGate)
        if self._blockade is not None:
            await self._blockade.stop()
        self._blockade = Blockade(
            fault_id=fault_id,
            fault=fault,
            gate=self._gate,
            pids=self._watch_pids,
            emit=self._emit,
        )
        await self._blockade.begin()

    def _release(self, fault_id: str) -> None:
        for link in tuple(self._links.values()):
            link.release(fault_id, "healed")

    def _admit(self, client: socket.socket, peer: Peer) -> None:
        upstream = open_socket(self._targets[0].family)
        client.setblocking(False)
        if peer is not None:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrival = Arrival() if self._blockade is None else self._blockade.meet(peer)
        self._opened += 1
        link = Link(
            name=f"{self.name}-{self._opened}",
            client=client,
            upstream=upstream,
            targets=self._targets,
            dial_limit_s=self._dial_limit_s,
            listen=self.address,
            client_pid=client_pid(client, peer, self._watch_pids()),
            scratch=self._scratch,
            emit=self._emit,
            on_closed=self._on_closed,
        )
        self._links[link.name] = link
        for fault_id, fault in self._faults.items():
            if isinstance(fault, Latency):
                link.delay(fault_id, fault)
        link.open(self._holds(arrival))
        if arrival.awaited is not None:
            assert self._blockade is not None
            self._blockade.admit(link.name, arrival.awaited)

    def _holds(self, arrival: Arrival) -> list[tuple[str, int | None]]:
        now_ns = time.monotonic_ns()
        holds: list[tuple[str, int | None]] = [arrival.hold] if arrival.hold else []
        for fault_id, fault in self._faults.items():
            if isinstance(fault, Hold):
                until = None if fault.delay_s is None else now_ns + round(fault.delay_s * 1e9)
                holds.append((fault_id, until))
        return holds

    def _on_closed(self, link: Link) -> None:
        del self._links[link.name]
        if self._gate is not None:
            self._gate.feed()


def _is_on_gate(fault: Fault) -> bool:
    return isinstance(fault, Refuse | BlackHole | ConnectDelay)

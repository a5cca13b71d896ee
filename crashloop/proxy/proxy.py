"""The fault proxy: one gate, its links, and the faults that are on."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import TYPE_CHECKING, Self

from crashloop.errors import CapabilityError, UsageError
from crashloop.proxy.active_faults import ActiveFaults
from crashloop.proxy.address import Address, fixed_target
from crashloop.proxy.connect import open_socket
from crashloop.proxy.faults import ArrivalFault, GateFault, LinkFault
from crashloop.proxy.gate.arbiter import GateArbiter
from crashloop.proxy.gate.tcp import TcpGate
from crashloop.proxy.gate.unix import UnixGate
from crashloop.proxy.kernel.peer import client_pid
from crashloop.proxy.link.link import Link, Path
from crashloop.proxy.link.pipe import SCRATCH_BYTES
from crashloop.proxy.link.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crashloop.proxy.address import AddressLike, Endpoint, Target
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Direction, Fault
    from crashloop.proxy.link.busy_poll import BusyPoll


class FaultProxy:
    """Forwards connections from `listen` to `upstream`, and injects faults into them.

    An async context manager on the running loop (asyncio or uvloop). It listens while the body
    runs, and closes every link on leaving. `emit` is called for each event when it happens.
    `watch_pids` returns processes; a TCP client may be in the session of one. `name` begins the
    name of each link, so give every proxy of one trace its own. `seed` decides every draw:
    toxicity, jitter, sizes. `dial_limit_s` bounds one upstream connect, in wall seconds; an
    upstream host is looked up for each connection. `busy_poll` shortens round trips and costs
    processor time.

    Raises UsageError for an address that cannot be used.
    """

    def __init__(
        self,
        *,
        listen: AddressLike,
        upstream: AddressLike,
        emit: Emit,
        name: str = "proxy",
        seed: int = 0,
        dial_limit_s: float = 5,
        watch_pids: Callable[[], Iterable[int]] = tuple,
        busy_poll: BusyPoll | None = None,
    ) -> None:
        self.name = name
        self.upstream = Address.of(upstream)
        self.enabled = False
        self._listen = Address.of(listen)
        self._emit = emit
        self._seed = seed
        self._dial_limit_s = dial_limit_s
        self._watch_pids = watch_pids
        self._busy_poll = busy_poll
        self._target: Target | None = None
        self._timers: Timers | None = None
        self._path: Path | None = None
        self._gate: TcpGate | UnixGate | None = None
        self._links: dict[str, Link] = {}
        self._opened = 0
        self._past_bytes: Counter[str] = Counter()
        self._active = ActiveFaults(name=name, seed=seed, count_held=self._count_held)
        self._started_arbiter: GateArbiter | None = None
        self._changing = asyncio.Lock()

    @property
    def address(self) -> Address:
        """Where the proxy listens, with the real port."""
        return self._listen if self._gate is None else self._gate.address

    @property
    def links(self) -> int:
        """The number of open connections."""
        return len(self._links)

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The faults that are on, in the order of their injection."""
        return self._active.faults

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, and forward new connections."""
        assert self._gate is None, "a proxy is started once"
        loop = asyncio.get_running_loop()
        self._target = fixed_target(self.upstream)
        gate = UnixGate if self._listen.path else TcpGate
        self._gate = gate(address=self._listen, admit=self._admit, emit=self._emit)
        self._timers = Timers(loop)
        self._path = Path(
            loop=loop,
            timers=self._timers,
            busy_poll=self._busy_poll,
            scratch=memoryview(bytearray(SCRATCH_BYTES)),
            listen=self._gate.address,
            upstream=self.upstream,
            target=self._target,
            dial_limit_s=self._dial_limit_s,
            seed=self._seed,
            emit=self._emit,
            on_refused=self._on_refused,
            on_closed=self._on_closed,
        )
        self._started_arbiter = GateArbiter(
            gate=self._gate,
            target=self._target,
            pids=self._watch_pids,
            cut=lambda: self._cut_all(reset=True),
            acts_on_arrivals=self._active.acts_on_arrivals,
            emit=self._emit,
        )
        self._gate.start()
        self.enabled = True

    async def stop(self) -> None:
        """Close every link and release the address."""
        assert self._gate is not None
        assert self._timers is not None
        async with self._changing:
            self.enabled = False
            await self._arbiter.stop()
            self._gate.close()
            self._cut_all(reset=True)
            self._timers.close()

    async def disable(self) -> None:
        """Close the open links in order and refuse new ones; the address stays bound."""
        async with self._changing:
            if self.enabled:
                self.enabled = False
                await self._arbiter.enable(on=False)
                self._cut_all(reset=False)

    async def enable(self) -> None:
        """Accept again; a gate fault that is on acts again."""
        async with self._changing:
            if not self.enabled:
                await self._arbiter.enable(on=True)
                self.enabled = True

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Turn a fault on; it acts when this returns, and is proven to act if that is possible.

        Raises CapabilityError if this address or machine cannot do it, UsageError when the
        id is taken or another gate fault is on, HarnessError when the proof fails. After
        an error the fault is off.
        """
        async with self._changing:
            self._require_possible(fault_id, fault)
            match fault:
                case GateFault():
                    await self._arbiter.put(fault_id, fault)
                case LinkFault() if fault.connections is None:
                    for link in tuple(self._links.values()):
                        link.add(fault_id, fault)
            self._active.put(fault_id, fault)
            await self._arbiter.apply()

    async def change(self, fault_id: str, fault: Fault) -> None:
        """Change the parameters of a link fault, on open links too.

        A chunk that the toxic holds is passed on at once, and toxicity is drawn again. Other
        faults are healed and injected again. Raises as `heal` and `inject` do, and UsageError
        for another type or direction.
        """
        known = self._active.known(fault_id)
        if type(known) is not type(fault) or _direction(known) != _direction(fault):
            raise UsageError(
                f"{fault_id!r} is a {known!r} and cannot become a {fault!r}.",
                hint="Heal it and inject another.",
            )
        if not isinstance(fault, LinkFault):
            await self.heal(fault_id)
            await self.inject(fault_id, fault)
            return
        async with self._changing:
            self._active.put(fault_id, fault)
            for link in tuple(self._links.values()):
                link.change(fault_id, fault)

    async def heal(self, fault_id: str) -> None:
        """Turn a fault off; what it held is passed on at once.

        Raises UsageError for an id that is not on, and HarnessError when the proof fails that
        the fault acted until now; the fault is off then, too.
        """
        async with self._changing:
            fault = self._active.known(fault_id)
            try:
                match fault:
                    case ArrivalFault():
                        for link in tuple(self._links.values()):
                            link.release(fault_id, "healed")
                    case GateFault():
                        await self._arbiter.take()
                    case LinkFault():
                        for link in tuple(self._links.values()):
                            link.remove(fault_id, fault)
            finally:
                self._active.remove(fault_id)
            await self._arbiter.apply()

    def snapshot(self) -> list[dict[str, object]]:
        """The state of each open link: its name, age, bytes, and the faults that hold it."""
        return [link.snapshot() for link in self._links.values()]

    def traffic(self) -> dict[Direction, tuple[int, int]]:
        """Bytes received and sent since the start, those of open links included."""
        total = self._past_bytes.copy()
        for link in self._links.values():
            total.update(link.moved())
        return {
            "upstream": (total["received_up"], total["bytes_up"]),
            "downstream": (total["received_down"], total["bytes_down"]),
        }

    @property
    def _arbiter(self) -> GateArbiter:
        assert self._started_arbiter is not None, "the proxy has been started"
        return self._started_arbiter

    def _require_possible(self, fault_id: str, fault: Fault) -> None:
        kind = type(fault).__name__
        transport = self.address.transport
        if transport not in fault.transports:
            raise CapabilityError(
                f"{kind} needs TCP, and {self.address} is a Unix socket: its kernel has no SYN "
                "to drop, and a full backlog fails at once instead of waiting.",
                hint="Use Hold: behind a Unix socket a dead path shows as accepted, then silent.",
            )
        self._active.require_free(fault_id)
        on_gate = self._arbiter.fault_id
        if on_gate is not None and isinstance(fault, GateFault):
            raise UsageError(
                f"{kind} {fault_id!r} cannot be injected: {on_gate!r} has the gate.",
                hint=f"Heal {on_gate!r} first.",
            )

    def _count_held(self, fault_id: str) -> int:
        return sum(link.is_held_by(fault_id) for link in self._links.values())

    def _cut_all(self, *, reset: bool) -> None:
        for link in tuple(self._links.values()):
            link.cut(reset=reset)

    def _admit(self, client: socket.socket, peer: Endpoint | None) -> None:
        assert self._path is not None
        upstream = open_socket(self._target.family if self._target else socket.AF_INET)
        client.setblocking(False)
        if peer is not None:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        awaited = self._arbiter.find_released(peer)
        self._opened += 1
        link = Link(
            name=f"{self.name}-{self._opened}",
            path=self._path,
            client=client,
            upstream=upstream,
            client_pid=client_pid(client, peer, self._watch_pids()),
            peer=peer,
        )
        self._links[link.name] = link
        self._active.open(link)
        if awaited is not None:
            self._arbiter.admit(link.name, awaited)

    def _on_refused(self) -> None:
        self._arbiter.upstream_refused()

    def _on_closed(self, link: Link) -> None:
        del self._links[link.name]
        self._past_bytes.update(link.moved())
        if self._gate is not None:
            self._gate.feed()


def _direction(fault: Fault) -> Direction | None:
    return fault.direction if isinstance(fault, LinkFault) else None

"""What a gate does: disabled, under a fault, or refusing because its upstream refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from crashloop.proxy.connect import connect, open_socket
from crashloop.proxy.faults import Refuse
from crashloop.proxy.gate.black_hole import ActiveBlackHole
from crashloop.proxy.gate.refuse import ActiveRefuse
from crashloop.proxy.gate.tcp import TcpGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.proxy.address import Endpoint, Target
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import GateFault
    from crashloop.proxy.gate.unix import UnixGate
    from crashloop.proxy.kernel.syn_watch import Waiting

_UPSTREAM_LOOKS = (0.02, 0.25)
"""Seconds between two probes of an upstream that refuses, in its first 10 s and later."""
_EAGER_LOOKS = 500
_LOOK_LIMIT_S = 1.0

_REFUSALS = (ConnectionRefusedError, FileNotFoundError)
"""The errors of a server that is down; a Unix socket's file may be missing."""


class GateWork(Protocol):
    """What a gate does instead of accepting."""

    async def begin(self) -> None:
        """Begin; after an error the gate is open."""

    async def heal(self) -> None:
        """Open the gate again, also after an error."""

    async def stop(self) -> None:
        """End without changing the gate."""


class Closed:
    """The gate refuses without a fault, so no proof is needed."""

    def __init__(self, gate: TcpGate | UnixGate, emit: Emit, mode: str) -> None:
        self._gate = gate
        self._emit = emit
        self._mode = mode

    async def begin(self) -> None:
        """Refuse new connections."""
        self._gate.refuse()
        self._emit("gate.closed", {"mode": self._mode})

    async def heal(self) -> None:
        """Accept new connections again."""
        self._gate.reopen()
        self._emit("gate.opened", {"mode": self._mode})

    async def stop(self) -> None:
        """Do nothing: no task runs."""


class GateArbiter:
    """Applies the first of these to the gate: disabled, a fault, an upstream that refuses.

    When the upstream refuses, the first client is reset, because it has been accepted. From then on
    the gate refuses too, until the upstream takes a connection of ours, or while `acts_on_arrivals`
    says that a fault acts on the next connection. `target` is None for an upstream by name, which
    is not probed. `cut` resets the open links.
    """

    def __init__(
        self,
        *,
        gate: TcpGate | UnixGate,
        target: Target | None,
        pids: Callable[[], Iterable[int]],
        cut: Callable[[], None],
        acts_on_arrivals: Callable[[], bool],
        emit: Emit,
    ) -> None:
        self._gate = gate
        self._target = target
        self._pids = pids
        self._cut = cut
        self._acts_on_arrivals = acts_on_arrivals
        self._emit = emit
        self._enabled = True
        self._fault: tuple[str, GateFault] | None = None
        self._left: int | None = None
        self._upstream_refuses = False
        self._looking: asyncio.Task[None] | None = None
        self._work: GateWork | None = None
        self._doing: object = None
        self._black_hole: ActiveBlackHole | None = None
        self._changing = asyncio.Lock()

    @property
    def fault_id(self) -> str | None:
        """The fault that is on, also while the proxy is disabled."""
        return None if self._fault is None else self._fault[0]

    async def enable(self, *, on: bool) -> None:
        """Enable the gate, or refuse."""
        self._enabled = on
        await self.apply()

    async def put(self, fault_id: str, fault: GateFault) -> None:
        """Turn a fault on; it is off again when its beginning raises."""
        assert self._fault is None, "one fault has the gate at a time"
        self._fault = (fault_id, fault)
        self._left = fault.connections if isinstance(fault, Refuse) else None
        try:
            await self.apply()
        except BaseException:
            await self.take()
            raise

    async def take(self) -> None:
        """Turn the fault off; raises HarnessError when it did not act until now."""
        self._fault = None
        await self.apply()

    def upstream_refused(self) -> None:
        """Note that the upstream has refused a link."""
        if self._target is not None and self._looking is None:
            self._looking = asyncio.create_task(self._look(self._target), name="look upstream")

    def find_released(self, peer: Endpoint | None) -> Waiting | None:
        """Find the client of a black hole or delay that has just connected from this address."""
        return None if self._black_hole is None else self._black_hole.find_released(peer)

    def admit(self, link: str, waiting: Waiting) -> None:
        """Emit the receipt of a client that was let in."""
        assert self._black_hole is not None
        self._black_hole.admit(link, waiting)

    async def stop(self) -> None:
        """Stop all tasks without changing the gate."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for work in (self._work, self._black_hole):
            if work is not None:
                await work.stop()

    async def apply(self) -> None:
        """Apply the first of them that is active now."""
        async with self._changing:
            wanted = self._wanted()
            if wanted == self._doing:
                return
            work, self._work, self._doing = self._work, None, None
            try:
                if work is not None:
                    await self._end(work)
            finally:
                if wanted is not None:
                    work = await self._make(wanted)
                    await work.begin()
                    self._work, self._doing = work, wanted

    def _wanted(self) -> object:
        if not self._enabled:
            return "disabled"
        if self._fault is not None and self._left != 0:
            return self._fault
        refuses = self._upstream_refuses and not self._acts_on_arrivals()
        return "upstream refuses" if refuses else None

    async def _end(self, work: GateWork) -> None:
        await work.heal()
        if isinstance(work, ActiveRefuse) and self._left is not None:
            self._left = max(0, self._left - work.refused)

    async def _make(self, wanted: object) -> GateWork:
        if wanted != self._fault:
            return Closed(self._gate, self._emit, str(wanted))
        assert self._fault is not None
        fault_id, fault = self._fault
        if isinstance(fault, Refuse):
            return ActiveRefuse(
                fault_id=fault_id,
                fault=replace(fault, connections=self._left),
                gate=self._gate,
                cut=self._cut,
                emit=self._emit,
            )
        assert isinstance(self._gate, TcpGate)
        if self._black_hole is not None:
            await self._black_hole.stop()
        self._black_hole = ActiveBlackHole(
            fault_id=fault_id, fault=fault, gate=self._gate, pids=self._pids, emit=self._emit
        )
        return self._black_hole

    async def _look(self, target: Target) -> None:
        """Refuse until the upstream takes a connection or fails in another way."""
        self._upstream_refuses = True
        await self.apply()
        looks = 0
        while await _refuses(target):
            looks += 1
            await self.apply()  # a fault may have taken its last connection
            await asyncio.sleep(_UPSTREAM_LOOKS[looks > _EAGER_LOOKS])
        self._looking = None
        self._upstream_refuses = False
        await self.apply()


async def _refuses(target: Target) -> bool:
    """Whether a server refuses a connection."""
    try:
        with open_socket(target.family) as probe:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                await connect(probe, target)
    except _REFUSALS:
        return True
    except OSError:
        return False
    return False

"""Decides what a gate does when several have a say in it."""

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
"""Seconds between two looks at an upstream that refuses, in its first 10 s and later."""
_EAGER_LOOKS = 500
_LOOK_LIMIT_S = 1.0

_REFUSALS = (ConnectionRefusedError, FileNotFoundError)
"""What a dead server looks like; over a Unix socket its file may be gone."""


class GateWork(Protocol):
    """Something that has the gate."""

    async def begin(self) -> None:
        """Take it; after an error it is open."""

    async def heal(self) -> None:
        """Open it again, after an error too."""

    async def stop(self) -> None:
        """Leave it as it is, for good."""


class Closed:
    """The gate refuses, and needs no proof."""

    def __init__(self, gate: TcpGate | UnixGate, emit: Emit, mode: str) -> None:
        self._gate = gate
        self._emit = emit
        self._mode = mode

    async def begin(self) -> None:
        """Refuse."""
        self._gate.refuse()
        self._emit("gate.closed", {"mode": self._mode})

    async def heal(self) -> None:
        """Accept again."""
        self._gate.reopen()
        self._emit("gate.opened", {"mode": self._mode})

    async def stop(self) -> None:
        """Nothing runs."""


class GateArbiter:
    """Whoever comes first in this order has the gate: disabled, a fault, an upstream that refuses.

    An upstream that refuses shows to the client at hand as a reset, for it has been accepted; from
    then on the gate refuses, too, until the upstream takes a connection of ours. It does not while
    `meets_arrivals` says that a fault decides what becomes of the next connection.
    `target` None: an upstream by name, which is not looked at. `cut` resets the open links.
    """

    def __init__(
        self,
        *,
        gate: TcpGate | UnixGate,
        target: Target | None,
        pids: Callable[[], Iterable[int]],
        cut: Callable[[], None],
        meets_arrivals: Callable[[], bool],
        emit: Emit,
    ) -> None:
        self._gate = gate
        self._target = target
        self._pids = pids
        self._cut = cut
        self._meets_arrivals = meets_arrivals
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
        """The fault that is on, whether it has the gate or not."""
        return None if self._fault is None else self._fault[0]

    async def enable(self, *, on: bool) -> None:
        """Let others have the gate, or refuse."""
        self._enabled = on
        await self.apply()

    async def put(self, fault_id: str, fault: GateFault) -> None:
        """Turn a fault on; raises what its beginning raises, and it is off then."""
        assert self._fault is None, "one fault has the gate at a time"
        self._fault = (fault_id, fault)
        self._left = fault.connections if isinstance(fault, Refuse) else None
        try:
            await self.apply()
        except BaseException:
            await self.take()
            raise

    async def take(self) -> None:
        """Turn the fault off; raises HarnessError when it did not work to its end."""
        self._fault = None
        await self.apply()

    def upstream_refused(self) -> None:
        """Hear that the upstream has just refused a link."""
        if self._target is not None and self._looking is None:
            self._looking = asyncio.create_task(self._look(self._target), name="look upstream")

    def meet(self, peer: Endpoint | None) -> Waiting | None:
        """The client of a black hole or delay that a connection is, if it is one."""
        return None if self._black_hole is None else self._black_hole.meet(peer)

    def admit(self, link: str, waiting: Waiting) -> None:
        """Give the receipt for a client that was let in."""
        assert self._black_hole is not None
        self._black_hole.admit(link, waiting)

    async def stop(self) -> None:
        """Stop all work; the gate stays as it is."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for work in (self._work, self._black_hole):
            if work is not None:
                await work.stop()

    async def apply(self) -> None:
        """Give the gate to whoever has it now."""
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
        refuses = self._upstream_refuses and not self._meets_arrivals()
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
        """Refuse as the upstream does, until it takes a connection, or fails in another way."""
        self._upstream_refuses = True
        await self.apply()
        looks = 0
        while await _refuses(target):
            looks += 1
            await self.apply()  # a fault may have met the last of its connections
            await asyncio.sleep(_UPSTREAM_LOOKS[looks > _EAGER_LOOKS])
        self._looking = None
        self._upstream_refuses = False
        await self.apply()


async def _refuses(target: Target) -> bool:
    """Whether a server refuses a connection now."""
    try:
        with open_socket(target.family) as probe:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                await connect(probe, target)
    except _REFUSALS:
        return True
    except OSError:
        return False
    return False

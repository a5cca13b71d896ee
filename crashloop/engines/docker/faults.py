"""Faults on a path on Docker: each is injected by the part that can make it there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.proxy.faults import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.witness import Witness
    from crashloop.faults.ports import Path
    from crashloop.proxy.control.toxiproxy import ToxiproxyControl
    from crashloop.proxy.faults import Fault

MILLISECOND_S = 0.001


class MadeByParts:
    """A path of which each fault is made by the part that `maker` names for its kind."""

    def __init__(self, parts: Mapping[Maker, Path], maker: Callable[[str], Maker]) -> None:
        self._parts = parts
        self._maker = maker
        self._made: dict[str, Path] = {}

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Inject the fault; it acts when this returns. CapabilityError where no part makes it."""
        part = self._parts[self._maker(fault.kind)]
        await part.inject(fault_id, fault)
        self._made[fault_id] = part

    async def heal(self, fault_id: str) -> None:
        """Heal the fault; what it held is released when this returns."""
        await self._made.pop(fault_id).heal(fault_id)


class ToxiproxyFaults:
    """The latency toxic of a real Toxiproxy; the witness then looks for its delay."""

    def __init__(self, control: ToxiproxyControl, proxy: str, witness: Witness) -> None:
        self._control = control
        self._proxy = proxy
        self._witness = witness

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Add the toxic; CapabilityError for a latency below Toxiproxy's smallest, 1 ms."""
        assert isinstance(fault, Latency)
        if fault.latency_s >= MILLISECOND_S:  # a scaled time need not be whole milliseconds
            whole_s = round(fault.latency_s, 3), round(fault.jitter_s, 3)
            fault = replace(fault, latency_s=whole_s[0], jitter_s=whole_s[1])
        self._witness.expect_delay(fault_id, fault.latency_s)
        await asyncio.to_thread(self._control.inject, self._proxy, fault_id, fault)

    async def heal(self, fault_id: str) -> None:
        """Remove the toxic; what it held is passed on at once."""
        await asyncio.to_thread(self._control.heal, self._proxy, fault_id)
        self._witness.expect_no_delay(fault_id)

"""Faults on Docker: each goes to whoever makes it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.engines.docker.capability import MAKERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.capability import Maker
    from crashloop.faults.injector import Injector
    from crashloop.model import Transport
    from crashloop.proxy.faults import Fault


class Faults:
    """Gives each fault to its maker, and each heal to whom the fault went."""

    def __init__(self, transport: Transport, makers: Mapping[Maker, Injector]) -> None:
        self._transport = transport
        self._makers = makers
        self._made_by: dict[str, Injector] = {}

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Put the fault in; it acts when this returns."""
        maker = self._makers[MAKERS[self._transport, fault.kind]]
        await maker.inject(fault_id, fault)
        self._made_by[fault_id] = maker

    async def heal(self, fault_id: str) -> None:
        """Take it out; what it held is released when this returns."""
        await self._made_by.pop(fault_id).heal(fault_id)

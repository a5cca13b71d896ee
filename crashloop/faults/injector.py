"""What really puts a fault in and takes it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from crashloop.proxy.faults import Fault


class Injector(Protocol):
    """What really puts a fault in and takes it out: a fault proxy, or nothing when unplugged."""

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Put the fault in; it acts when this returns."""

    async def heal(self, fault_id: str) -> None:
        """Take it out; what it held is released when this returns."""


class Unplugged:
    """An injector that does nothing: the proof run that shows a plan alone reproduces nothing."""

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Do nothing."""

    async def heal(self, fault_id: str) -> None:
        """Do nothing."""

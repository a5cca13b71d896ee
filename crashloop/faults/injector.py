"""The injectors of a run's faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from crashloop.proxy.faults import Fault


class Injector(Protocol):
    """Injects and heals faults: a fault proxy, or nothing when unplugged."""

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Inject the fault; it acts when this returns."""

    async def heal(self, fault_id: str) -> None:
        """Heal the fault; what it held is released when this returns."""


class Unplugged:
    """An injector that does nothing, to prove that a plan alone reproduces nothing."""

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Do nothing."""

    async def heal(self, fault_id: str) -> None:
        """Do nothing."""

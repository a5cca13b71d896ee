"""What the API needs of a data plane; FaultProxy has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.address import Address
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Direction, Fault


class Plane(Protocol):
    """One proxy: from `start()` to `stop()` it listens."""

    enabled: bool

    @property
    def address(self) -> Address:
        """Where it listens."""

    @property
    def links(self) -> int:
        """Open connections."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What is on."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Close everything."""

    async def enable(self) -> None:
        """Accept again."""

    async def disable(self) -> None:
        """Refuse."""

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Turn a fault on."""

    async def change(self, fault_id: str, fault: Fault) -> None:
        """Change a fault."""

    async def heal(self, fault_id: str) -> None:
        """Turn a fault off."""

    def snapshot(self) -> list[dict[str, object]]:
        """Tell of the open connections."""

    def traffic(self) -> dict[Direction, tuple[int, int]]:
        """Tell the bytes received and sent."""


class MakePlane(Protocol):
    """Builds a data plane that does not listen yet."""

    def __call__(self, *, name: str, listen: Address, upstream: Address, emit: Emit) -> Plane:
        """Build it; `listen` has an IP address, `upstream` may have a name."""

"""What the faults of the app's access to a Postgres have in common."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

from crashloop.faults.database.base import DatabaseFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import AccessPart, Ports


class AccessFault(DatabaseFault):
    """The server no longer has what the app was given; sessions that are open go on."""

    __slots__ = ()

    part: ClassVar[AccessPart]

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Change it at the server on entering, restore it on leaving."""
        del name
        async with ports.database(target).changed_access(self.part):
            yield

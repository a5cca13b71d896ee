"""The fault of a disk that is full."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone
from crashloop.faults.database.base import TARGET, DatabaseFault, refused
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

FULL = "53100"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(DatabaseFault):
    """The disk with the app's database is full: it can be read, and nothing can be added.

    The server is restarted once, with the database on a small disk in memory.
    """

    kind = "disk_full"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": FULL}
    )
    alone = Alone(
        target=TARGET,
        shows=refused(FULL),
        told_by={"slots_taken": "phase_failed"},
        limit_s=60.0,  # a server that cannot write its files of the catalog is slow
        ends="the disk gets room: a larger one, or what fills it is removed",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Fill the disk on entering, empty it on leaving."""
        del name
        async with ports.database(target).full_disk():
            yield

"""The fault of a Postgres that has no slot left for the app."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from crashloop.errors import UsageError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import TARGET, DatabaseFault, refused
from crashloop.faults.parameter import takes
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Database, Ports
    from crashloop.model import Dependency, Value

OPEN_AT_ONCE = 8

RESERVED = ("superuser_reserved_connections", "reserved_connections")
SLOTS: Mapping[str, Value] = {"max_connections": 100, RESERVED[0]: 3, RESERVED[1]: 0}
"""What a Postgres has where its settings say nothing else: its documentation, version 18."""

# What the app's role may still take. Its own slots end where the reserved ones begin, and every
# session counts, whoever has it; our own that asks is closed at once.
FREE = """
select current_setting('max_connections')::int
  - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true), '0')::int
  - (select count(*) from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsTaken(DatabaseFault):
    """Idle sessions of the app's role take all slots that it may use, but `left` of them."""

    kind = "slots_taken"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "53300"}
    )
    alone = Alone(
        target=TARGET,
        settings={"max_connections": 20},  # chosen: sessions take time to open and to close
        shows=refused("53300"),
        told_by={
            "starting_up": "phase_failed",
            "image_older": "phase_failed",
            "disk_full": "phase_failed",
        },
        ends="sessions are closed: fewer or smaller pools, or a larger max_connections",
        example={"left": 2},
    )

    left: int = field(default=0, metadata=takes("count"))

    def why_not_at(self, dependency: Dependency) -> str:
        """Why it cannot leave so many slots; "" if it can."""
        slots = {**SLOTS, **dependency.settings}
        most = int(slots["max_connections"]) - sum(int(slots[name]) for name in RESERVED)
        if self.left < most:
            return ""
        return f"its server has {most} slots for apps, and left={self.left} leaves them all free"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Open the sessions on entering, close them on leaving; emits `database.sessions_taken`."""
        del name
        database = ports.database(target)
        taken: list[contextlib.AsyncExitStack] = []
        try:
            await self._take(database, taken)
            async with database.session(superuser=True) as own:
                left = await own.fetchval(FREE)
            ports.emit("database", "database.sessions_taken", target, count=len(taken), left=left)
            yield
        finally:
            async with asyncio.TaskGroup() as group:
                for session in taken:
                    group.create_task(session.aclose())

    async def _take(self, database: Database, taken: list[contextlib.AsyncExitStack]) -> None:
        wanted = await self._wanted(database)
        if wanted <= 0:
            raise UsageError(
                f"slots_taken left={self.left}: Postgres has only {wanted + self.left} free slots",
                hint="lower `left`, or raise the dependency's max_connections",
            )
        await _open(database, wanted, taken, at_once=OPEN_AT_ONCE)
        # While a session is being refused it has a slot, for which another may be refused, too.
        await _open(database, await self._wanted(database), taken, at_once=1)

    async def _wanted(self, database: Database) -> int:
        async with database.session(superuser=True) as own:
            return int(await own.fetchval(FREE)) - self.left


async def _open(
    database: Database, count: int, opened: list[contextlib.AsyncExitStack], *, at_once: int
) -> None:
    """Open sessions of the app's role; one for which the app has taken the slot is left out."""
    permits = asyncio.Semaphore(at_once)

    async def open_one() -> None:
        async with permits, contextlib.AsyncExitStack() as opening:
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                await opening.enter_async_context(database.session(superuser=False))
                opened.append(opening.pop_all())

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(open_one())

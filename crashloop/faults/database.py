"""The faults of a Postgres itself, behind its path."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg

from crashloop.errors import HarnessError, UsageError
from crashloop.faults.base import Fault
from crashloop.model import Grade, Receipt
from crashloop.proxy import attribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Database, Ports

OPEN_AT_ONCE = 8
LOOK_EVERY_S = 0.05
LOCK_BOUND_S = 10.0

# What the app's role may still take. Its own slots end where the reserved ones begin, and every
# session counts, whoever has it; our own that asks is closed at once.
FREE = """
select current_setting('max_connections')::int
  - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true), '0')::int
  - (select count(*) from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid())
"""
# A table of the app's own, written with its quotes: the server itself needs those of the catalog.
TABLE = """
select oid::regclass::text from pg_class
where oid = to_regclass($1) and relkind in ('r', 'p') and oid >= 16384
"""
WAITING = """
select pid, host(client_addr) || ':' || client_port as client
from pg_stat_activity
where wait_event_type = 'Lock' and $1 = any(pg_blocking_pids(pid))
"""


class DatabaseFault(Fault):
    """A fault of Postgres; the server itself shows that it acts."""

    __slots__ = ()

    acts_on: ClassVar[frozenset[str]] = frozenset({"postgres"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsTaken(DatabaseFault):
    """Idle sessions of the app's role take all slots that it may use, but `left` of them."""

    kind = "slots_taken"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "53300"}
    )

    left: int = field(default=0, metadata=attribute.count("left"))

    def __post_init__(self) -> None:
        if self.left < 0:
            raise UsageError(f"slots_taken got left={self.left}.", hint="Give 0 or more.")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingUp(DatabaseFault):
    """The server restarts, and answers 57P03 (it is starting up) until the heal."""

    kind = "starting_up"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "57P03"}
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Restart it as a standby on entering, promote it on leaving."""
        del name
        async with ports.database(target).starting():
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(DatabaseFault):
    """Every process of the server is stopped: connections are accepted, and nothing answers."""

    kind = "paused"
    receipt = Receipt(grade=Grade.PROCESS, kinds=("process.stopped",), whose="server")

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Stop it on entering, continue it on leaving."""
        del name
        async with ports.database(target).stopped():
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld(DatabaseFault):
    """A session that does nothing else holds a table in ACCESS EXCLUSIVE, or an advisory lock.

    `table` may name its schema; an `advisory` lock is one of the session. Exactly one is given.
    """

    kind = "lock_held"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.lock_waiting",), whose="server")

    table: str = ""
    advisory: int = field(default=0, metadata=attribute.count("advisory"))

    def __post_init__(self) -> None:
        if bool(self.table) == bool(self.advisory):
            raise UsageError(
                f"lock_held got table={self.table!r} and advisory={self.advisory}.",
                hint="Give one of them: a table's name, or the key of an advisory lock.",
            )
        if not -(2**63) <= self.advisory < 2**63:
            raise UsageError(
                f"lock_held got advisory={self.advisory}.",
                hint="Postgres' key of an advisory lock has 64 bits, with a sign.",
            )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Take the lock on entering, release it on leaving.

        Meanwhile emits a `database.lock_waiting` for each session that waits for it.
        """
        del name
        database = ports.database(target)
        async with (
            database.session(superuser=True) as holder,
            database.session(superuser=True) as own,
        ):
            await self._lock(holder)
            healing = asyncio.Event()
            watching = asyncio.create_task(
                _watch(ports, target, own, holder.get_server_pid(), healing)
            )
            try:
                yield
            finally:
                healing.set()
                await asyncio.wait({watching}, timeout=LOCK_BOUND_S)
                watching.cancel()
                watching.add_done_callback(lambda done: done.cancelled() or done.exception())
            await watching

    async def _lock(self, holder: Any) -> None:
        await holder.execute(f"set lock_timeout = '{LOCK_BOUND_S:g}s'")
        try:
            if self.advisory:
                await holder.execute("select pg_advisory_lock($1)", self.advisory)
                return
            quoted = await holder.fetchval(TABLE, self.table)
            if quoted is None:
                raise self._no_table()
            await holder.execute(f"begin; lock table {quoted} in access exclusive mode")
        except asyncpg.SyntaxOrAccessError as error:
            raise self._no_table() from error
        except asyncpg.LockNotAvailableError as error:
            raise HarnessError(
                f"lock_held did not get its lock within {LOCK_BOUND_S:g} s: another session has it",
                hint="inject it while the app holds no lock of its own",
            ) from error

    def _no_table(self) -> UsageError:
        return UsageError(
            f"lock_held: there is no table {self.table!r}",
            hint="inject it after the app has made its tables, or lock an advisory key",
        )


async def _watch(
    ports: Ports, target: str, own: Any, holder_pid: int, healing: asyncio.Event
) -> None:
    """Emit who waits for the holder, once for each backend; look once more when it is healed."""
    seen: set[int] = set()
    is_last = False
    while not is_last:
        is_last = healing.is_set()
        try:
            rows = await own.fetch(WAITING, holder_pid, timeout=LOCK_BOUND_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise HarnessError(
                f"Postgres did not say who waits for the lock: {type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error
        for row in rows:
            if row["pid"] not in seen:
                seen.add(row["pid"])
                data = {**row, "blocked_by": holder_pid}
                ports.emit("database", "database.lock_waiting", target, **data)
        with contextlib.suppress(TimeoutError):  # Postgres announces no waiter
            async with asyncio.timeout(0 if is_last else LOOK_EVERY_S):
                await healing.wait()


FAULTS: tuple[type[DatabaseFault], ...] = (SlotsTaken, StartingUp, Paused, LockHeld)

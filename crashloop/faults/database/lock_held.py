"""The fault of a lock that another session of Postgres holds."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.errors import HarnessError, UsageError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import HANGS, TARGET, DatabaseFault, came
from crashloop.model import Grade, Receipt
from crashloop.proxy import attribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

SCHEMA_LOCK_KEY = 1278  # under which the sample app creates its tables
LOOK_EVERY_S = 0.05
LOCK_BOUND_S = 10.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld(DatabaseFault):
    """A session that does nothing else holds a table in ACCESS EXCLUSIVE, or an advisory lock.

    `table` may name its schema; an `advisory` lock is one of the session. Exactly one is given.
    """

    kind = "lock_held"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.lock_waiting",), whose="server")
    alone = Alone(
        target=TARGET,
        params={"advisory": SCHEMA_LOCK_KEY},
        shows=(*HANGS, came("answered")),
        told_by={"paused": "connection_was", "hold": "connection_was"},
        ends="the session that holds the lock commits or ends; pg_locks names it",
    )

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

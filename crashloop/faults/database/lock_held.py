"""The fault of a lock that another session of Postgres holds."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.errors import HarnessError, UsageError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import HANGS, OF_TARGET, TARGET, DatabaseFault, came
from crashloop.faults.database.table import IS, require_table
from crashloop.faults.database.watching import watching
from crashloop.faults.parameter import takes
from crashloop.faults.states import showed
from crashloop.model import CheckSpec, Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Ports

SCHEMA_LOCK_KEY = 1278  # under which the sample app creates its tables
LOCK_BOUND_S = 10.0

# A table of the app's own, written with its quotes: the server itself needs those of the catalog.
TABLE = """
select oid::regclass::text from pg_class
where oid = to_regclass($1) and relkind in ('r', 'p') and oid >= 16384
"""
QUOTED = "select string_agg(quote_ident(part), '.') from unnest(parse_ident($1)) as part"
WAITING = """
select pid, host(client_addr) || ':' || client_port as client, query_start::text as since
from pg_stat_activity
where wait_event_type = 'Lock' and $1 = any(pg_blocking_pids(pid))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld(DatabaseFault):
    """A session that does nothing else holds a table in ACCESS EXCLUSIVE, or an advisory lock.

    `table` may name its schema; an `advisory` lock is one of the session. Exactly one is given.
    With `create`, a table that is not there yet is made in the holder's own transaction, which is
    rolled back in the end: who would make it, too, waits.
    """

    kind = "lock_held"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.lock_waiting",), whose="server")
    alone = Alone(
        target=TARGET,
        params={"advisory": SCHEMA_LOCK_KEY},
        own="table=NAME, a table of its journey, or advisory=KEY, the key of a lock that it takes",
        either=("table", "advisory"),
        shows=(
            *HANGS,
            came("answered"),
            showed(TARGET, "database.lock_waiting"),
            CheckSpec(check="came_late", params={**OF_TARGET, "what": "nothing"}),
        ),
        told_by={
            "paused": "connection_was",
            "hold": "connection_was",
            "slow_query": "server_showed",
            "lock_orphaned": "server_showed",
            "latency": "came_late",
            "bandwidth": "came_late",
            "slicer": "came_late",
        },
        ends="the session that holds the lock commits or ends; pg_locks names it",
    )

    table: str = field(default="", metadata=takes("text", says=IS))
    advisory: int = field(
        default=0, metadata=takes("count", least=-(2**63), most=2**63 - 1, says="the lock's key")
    )
    create: bool = field(default=False, metadata=takes("flag"))

    def __post_init__(self) -> None:
        if bool(self.table) == bool(self.advisory):
            raise UsageError(
                f"the fault lock_held got table={self.table!r} and advisory={self.advisory}",
                hint="give one of them: a table's name, or the key of an advisory lock",
            )
        if self.create and not self.table:
            raise UsageError(
                f"the fault lock_held got create=True and advisory={self.advisory}",
                hint="an advisory lock has no table to be made: leave create out",
            )
        if self.table:
            require_table(self, self.table)

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
            blocked_by = holder.get_server_pid()

            def emit(row: Mapping[str, Any]) -> None:
                data = {**row, "blocked_by": blocked_by}
                ports.emit("database", "database.lock_waiting", target, **data)

            async with watching(own, WAITING, blocked_by, emit=emit):
                yield

    async def _lock(self, holder: Any) -> None:
        await holder.execute(f"set lock_timeout = '{LOCK_BOUND_S:g}s'")
        try:
            if self.advisory:
                await holder.execute("select pg_advisory_lock($1)", self.advisory)
                return
            quoted = await holder.fetchval(TABLE, self.table)
            if quoted is None and self.create:
                await holder.execute(f"begin; create table {await self._quoted(holder)} ()")
                return
            if quoted is None:
                raise self._no_table()
            await holder.execute(f"begin; lock table {quoted} in access exclusive mode")
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
            raise self._no_table() from error
        except asyncpg.LockNotAvailableError as error:
            raise HarnessError(
                f"lock_held did not get its lock within {LOCK_BOUND_S:g} s: another session has it",
                hint="inject it while the app holds no lock of its own",
            ) from error

    async def _quoted(self, holder: Any) -> str:
        return str(await holder.fetchval(QUOTED, self.table))

    def _no_table(self) -> UsageError:
        return UsageError(
            f"lock_held: there is no table {self.table!r}",
            hint="inject it after the app has made its tables, or lock an advisory key",
        )

"""The fault of a lock that stays in a pooler's session when its client has left."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.errors import HarnessError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import HANGS, TARGET, DatabaseFault, came
from crashloop.faults.database.lock_held import WAITING
from crashloop.faults.database.watching import watching
from crashloop.faults.parameter import takes
from crashloop.faults.states import showed
from crashloop.model import Grade, Receipt, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Pooler, Ports
    from crashloop.model import AppUnderTest

KEY = 4051  # chosen
KNOB = "migration_lock"
HELD, WAITS = "database.lock_orphaned", "database.orphan_waiting"
OTHERS = 8  # chosen: more than the app uses up before the heal, one for each death
TAKE = "select pg_advisory_lock($1), pg_backend_pid()"
STILL_HELD = """
select state from pg_stat_activity join pg_locks using (pid)
where pid = $1 and locktype = 'advisory' and granted
"""
END = "select pg_terminate_backend($1, 2000)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOrphaned(DatabaseFault):
    """An advisory lock of a session stays in the pooler's session when its client has left.

    Needs a pooler in transaction mode, and an app that takes the lock `advisory` at its start.
    """

    kind = "lock_orphaned"
    receipt = Receipt(grade=Grade.SERVER, kinds=(HELD, WAITS), whose="server")
    alone = Alone(
        target=TARGET,
        pooler="transaction",
        params={"advisory": KEY},
        knobs={
            KNOB: KEY,
            "close_timeout_s": 20.0,
        },  # a client that leaves early ends PgBouncer 1.18
        transport=Transport.TCP,
        shows=(*HANGS, came("answered"), showed(TARGET, WAITS)),
        told_by={"hold": "connection_was", "lock_held": "server_showed"},
        ends="look whether the schema is current before the lock; a lock of the transaction; "
        "a direct connection for migrations",
    )

    advisory: int = field(
        default=KEY, metadata=takes("count", least=-(2**63), most=2**63 - 1, says="the lock's key")
    )

    def why_not(self, app: AppUnderTest) -> str:
        """Why nothing says that the app takes this lock; "" if it may."""
        if self.advisory != KEY or KNOB in app.knobs:
            return ""
        return f"nothing says that it takes a lock with the key {KEY}; give its own: advisory=KEY"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Take the lock through the pooler and leave; on leaving, end the session that has it.

        Emits `database.lock_orphaned` when Postgres says that the lock is held by an idle session,
        and again before it is ended. Emits a `database.orphan_waiting` for each session that waits
        for it. Each has in `sessions` that the target has one that holds it.
        """
        del name
        pid = await self._taken(ports.pooler(target))
        held = {target: 1}

        async def require_idle() -> None:
            state = await own.fetchval(STILL_HELD, pid)
            if state != "idle":
                raise HarnessError(
                    "lock_orphaned: the lock went with its client, as the session that had it "
                    f"is {state or 'gone'}",
                    hint="the pooler must keep its sessions: transaction mode",
                )
            ports.emit("database", HELD, target, pid=pid, state=state, sessions=held)

        def emit(row: Mapping[str, Any]) -> None:
            ports.emit("database", WAITS, target, **row, blocked_by=pid, sessions=held)

        async with ports.database(target).session(superuser=True) as own:
            try:
                await require_idle()
                async with watching(own, WAITING, pid, emit=emit):
                    yield
                await require_idle()
            finally:
                await own.execute(END, pid)

    async def _taken(self, pooler: Pooler) -> int:
        """Take the lock in a session of the pooler, and leave it; the session's process id.

        The pooler gives what was used last to the next client, and to the session that has a lock
        Postgres grants it again. So there are others that were used later.
        """
        async with contextlib.AsyncExitStack() as others:
            async with pooler.session() as client, client.transaction():
                pid = (await client.fetchrow(TAKE, self.advisory))[1]
                for _ in range(OTHERS):
                    other = await others.enter_async_context(pooler.session())
                    await others.enter_async_context(other.transaction())
                    await other.execute("select 1")
            return int(pid)

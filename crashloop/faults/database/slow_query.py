"""The fault of statements that take long."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.driver import NO_RESULT
from crashloop.errors import HarnessError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import HANGS, OF_TARGET, TARGET, DatabaseFault, came
from crashloop.faults.database.watching import watching
from crashloop.faults.parameter import takes
from crashloop.faults.states import showed
from crashloop.model import CheckSpec, Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Ports

KEY = 0x736C6F77  # of the harness's own advisory lock: only a try to take it, nobody waits for it
BOUND_S = 10.0
WHY = "an event trigger sleeps before each statement that changes the schema"

# The fault is on as long as a session of the harness holds the lock: should that session die, no
# statement sleeps any longer. A lock, unlike a row, is seen at every level of isolation. A setting
# of the session has the time of its first statement, and a rollback takes that back.
BEGIN = f"""
select pg_advisory_lock({KEY});
create schema crashloop_slow;
create function crashloop_slow.wait() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
  since timestamptz := coalesce(
    nullif(current_setting('crashloop_slow.since', true), '')::timestamptz, clock_timestamp());
begin
  perform set_config('crashloop_slow.since', since::text, false);
  while {{still}} and not pg_try_advisory_xact_lock_shared({KEY}) loop
    perform pg_sleep(0.01);
  end loop;
end $$;
create event trigger crashloop_slow on ddl_command_start execute function crashloop_slow.wait();
"""
END = "drop event trigger crashloop_slow; drop schema crashloop_slow cascade"
SLEEPING = """
select pid, host(client_addr) || ':' || client_port as client, state, wait_event
from pg_stat_activity
where state = 'active' and wait_event = 'PgSleep' and client_addr is not null
  and cardinality(pg_blocking_pids(pid)) = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowQuery(DatabaseFault):
    """Statements that change the schema run until the heal; none of them waits for a lock.

    With `takes_s`, those of a session take that long together, and begin again after a rollback.
    """

    kind = "slow_query"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.statement_running",), whose="server")
    modelled: ClassVar[Mapping[str, str]] = {"local": WHY, "docker": WHY}
    alone = Alone(
        target=TARGET,
        shows=(
            *HANGS,
            came("answered"),
            showed(TARGET, "database.statement_running"),
            CheckSpec(check="came_late", params={**OF_TARGET, "what": "nothing"}),
        ),
        told_by={
            "lock_held": "server_showed",
            "paused": "connection_was",
            "latency": "came_late",
        },
        ends="the statement is made faster, runs outside the start, or gets a longer limit",
        example={"takes_s": 30.0},
    )

    takes_s: float = field(default=0.0, metadata=takes("s", says="0: until the heal"))

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Make the event trigger on entering, drop it on leaving.

        Meanwhile emits a `database.statement_running` for each session whose statement sleeps.
        """
        del name
        database = ports.database(target)

        def emit(row: Mapping[str, Any]) -> None:
            ports.emit("database", "database.statement_running", target, **row, modelled=True)

        async with (
            database.session(superuser=True) as holder,
            database.session(superuser=True) as own,
        ):
            await holder.execute(self._begin(), timeout=BOUND_S)
            try:
                async with watching(own, SLEEPING, emit=emit):
                    yield
            finally:
                await _end(holder)

    def _begin(self) -> str:
        until = f"since + interval '{self.takes_s:.6f} s'"
        return BEGIN.format(still=f"clock_timestamp() < {until}" if self.takes_s else "true")


async def _end(holder: Any) -> None:
    try:
        await holder.execute(END, timeout=BOUND_S)
    except NO_RESULT as error:
        raise HarnessError(
            f"the event trigger was not dropped: {type(error).__name__}: {error}",
            hint="see postgres.log in the artifacts",
        ) from error

"""The fault of a server that everybody who reads a table has to share."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.driver import NO_RESULT
from crashloop.errors import HarnessError, UsageError
from crashloop.faults.database.base import DatabaseFault
from crashloop.faults.database.watching import watching
from crashloop.faults.parameter import takes
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest

KNOB = "startup_table"
HOLDER, READERS = 0x63617061, 0x72656164  # advisory locks: only tried, or shared; nobody waits
QUANTUM_S = 0.02
BOUND_S = 10.0
NAME_IS = "a name of lower-case letters, digits and _"
WHY = "a policy of the table lets each reader sleep, the longer the more readers there are"

# As a processor does that is shared: of each quantum a reader gets its part, and it is done when it
# has had its work. The fault is on as long as a session of the harness holds its lock.
BEGIN = """
select pg_advisory_lock({holder});
create schema crashloop_capacity;
create function crashloop_capacity.spent(work double precision) returns boolean
language plpgsql security definer set search_path = pg_catalog as $$
declare
  had double precision := 0;
  since timestamptz := clock_timestamp();
  readers bigint;
begin
  perform pg_advisory_xact_lock_shared({readers});
  while had < work and not pg_try_advisory_xact_lock_shared({holder}) loop
    perform pg_sleep({quantum});
    select count(*) into readers from pg_locks
    where locktype = 'advisory' and objid = {readers} and granted;
    had := had + extract(epoch from clock_timestamp() - since) / readers;
    since := clock_timestamp();
  end loop;
  return true;
end $$;
create table if not exists {table} (key text primary key, value text not null);
insert into {table} values ('one', 'row') on conflict do nothing;
grant select on {table} to public;
alter table {table} enable row level security, force row level security;
create policy crashloop_capacity on {table} for select using (crashloop_capacity.spent({work}));
"""
# The table stays: a life may have found it, and is about to read it.
END = """
select pg_advisory_unlock({holder});
alter table {table} disable row level security, no force row level security;
drop schema crashloop_capacity cascade;
"""
READING = """
select pid, host(client_addr) || ':' || client_port as client, count(*) over () as at_once
from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and objid = $1::bigint::oid and granted and client_addr is not null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCapacity(DatabaseFault):
    """Whoever reads a table shares the server with all others who read it at the same time.

    To read `table` takes `work_s` of the server's time, so N readers at once take N times as long.
    The table has a `key` and a `value`; one that is not there yet is made.
    """

    kind = "shared_capacity"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.read_shared",), whose="server")
    modelled: ClassVar[Mapping[str, str]] = {"local": WHY, "docker": WHY}

    table: str = field(metadata=takes("text", says=NAME_IS))
    work_s: float = field(metadata=takes("s", above=True))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", self.table):
            raise UsageError(
                f"the fault shared_capacity got table={self.table!r}", hint=f"table is {NAME_IS}"
            )

    def why_not(self, app: AppUnderTest) -> str:
        """Why the app does not read the table; "" if it does."""
        if KNOB in app.knobs:
            return ""
        return f"its entry has no knob {KNOB}, which names a table that it reads at its start"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Make the policy on entering, drop it on leaving, when whoever reads is done at once.

        Meanwhile emits a `database.read_shared` for each session that reads, with the number of
        those that do so at that moment.
        """
        del name
        database = ports.database(target)

        def emit(row: Mapping[str, Any]) -> None:
            ports.emit("database", "database.read_shared", target, **row, modelled=True)

        async with (
            database.session(superuser=True) as holder,
            database.session(superuser=True) as own,
        ):
            await holder.execute(self._filled(BEGIN), timeout=BOUND_S)
            try:
                async with watching(own, READING, READERS, emit=emit):
                    yield
            finally:
                await self._end(holder)

    async def _end(self, holder: Any) -> None:
        try:
            await holder.execute(self._filled(END), timeout=BOUND_S)
        except NO_RESULT as error:
            raise HarnessError(
                f"the policy was not dropped: {type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error

    def _filled(self, statements: str) -> str:
        return statements.format(
            table=self.table,
            work=f"{self.work_s:.6f}",
            holder=HOLDER,
            readers=READERS,
            quantum=QUANTUM_S,
        )

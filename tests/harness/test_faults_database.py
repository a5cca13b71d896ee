"""Faults of a real Postgres, as a client sees them, and what the server says about them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from crashloop.engines.binaries import find_binaries
from crashloop.engines.mounts import require_namespace
from crashloop.engines.postgres import postgres
from crashloop.engines.reaper import identity, postgres_backends
from crashloop.engines.template import template
from crashloop.engines.workspace import workspace
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.faults.database.access import AccessFault
from crashloop.faults.database.disk_full import DiskFull
from crashloop.faults.database.image_older import ImageOlder
from crashloop.faults.database.lock_held import LockHeld
from crashloop.faults.database.missing_database import MissingDatabase
from crashloop.faults.database.missing_role import MissingRole
from crashloop.faults.database.paused import Paused
from crashloop.faults.database.read_only import ReadOnly
from crashloop.faults.database.recovering import Recovering
from crashloop.faults.database.slots_taken import FREE, SlotsTaken
from crashloop.faults.database.slow_query import SlowQuery
from crashloop.faults.database.starting_up import StartingUp
from crashloop.faults.database.wrong_password import WrongPassword

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from crashloop.engines.postgres import PostgresServer
    from crashloop.faults.base import Fault
    from crashloop.model import Value

BOUND_S = 10.0
NO_ANSWER_S = 0.3


def has_namespaces() -> bool:
    try:
        require_namespace("any")
    except CapabilityError:
        return False
    return True


own_mounts = pytest.mark.skipif(not has_namespaces(), reason="may not make a mount namespace")
FAULTS = [
    pytest.param(SlotsTaken(), id="slots_taken"),
    pytest.param(StartingUp(), id="starting_up"),
    pytest.param(Paused(), id="paused", marks=pytest.mark.skipif(
        sys.platform != "linux", reason="needs /proc")),
    pytest.param(Recovering(), id="recovering", marks=pytest.mark.skipif(
        sys.platform != "linux", reason="needs /proc")),
    pytest.param(LockHeld(advisory=-7), id="lock_held"),
    pytest.param(SlowQuery(), id="slow_query"),
    pytest.param(DiskFull(), id="disk_full", marks=own_mounts),
    pytest.param(ReadOnly(), id="read_only"),
    pytest.param(WrongPassword(), id="wrong_password"),
    pytest.param(MissingRole(), id="missing_role"),
    pytest.param(MissingDatabase(), id="missing_database"),
]  # fmt: skip
ACCESS = [each for each in FAULTS if isinstance(each.values[0], AccessFault)]
RESTARTS = [each for each in FAULTS if each.id in {"starting_up", "recovering"}]


class Lab:
    """A Postgres, its events, and the ports of faults."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.server: PostgresServer
        self._news = asyncio.Event()

    def database(self, target: str) -> PostgresServer:
        assert target == "postgres"
        return self.server

    def emit(self, source: str, kind: str, target: str, **data: Any) -> None:
        assert (source, target) == ("database", "postgres")
        self.note(kind, data)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))
        self._news.set()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, data in self.events if each == kind]

    async def seen(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(BOUND_S):
            while not self.of(kind):
                self._news.clear()
                await self._news.wait()
        return self.of(kind)[0]

    @asynccontextmanager
    async def active(self, fault: Fault) -> AsyncIterator[None]:
        ports: Any = self
        async with fault.active(ports, name="f", target="postgres"):
            yield

    async def connect(self) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(self.server.app_url(), timeout=BOUND_S)

    async def answers(self) -> bool:
        connection = await self.connect()
        try:
            return bool(await connection.fetchval("select true", timeout=BOUND_S))
        finally:
            await connection.close()


@asynccontextmanager
async def running(evidence: Path, **settings: Value) -> AsyncIterator[Lab]:
    lab = Lab(evidence)
    with workspace() as space:
        made = await template(space, find_binaries())
        async with postgres(
            space, made, emit=lab.note, evidence=evidence, settings=settings
        ) as server:
            lab.server = server
            yield lab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path, max_connections=10) as lab:
        yield lab


def state(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split("\t")[1] for line in lines if line.startswith("State:"))


def mounts(pid: int) -> str:
    return Path(f"/proc/{pid}/mounts").read_text()


async def own_address(connection: asyncpg.Connection[Any]) -> str:
    return str(
        await connection.fetchval("select host(inet_client_addr()) || ':' || inet_client_port()")
    )


@pytest.mark.parametrize("left", [0, 1])
async def test_taken_slots_leave_the_app_what_was_left_and_then_53300(lab: Lab, left: int) -> None:
    there = await lab.connect()
    async with lab.active(SlotsTaken(left=left)):
        assert lab.of("database.sessions_taken") == [{"count": 10 - 3 - 1 - left, "left": left}]
        assert await there.fetchval("select 1") == 1
        got = [await lab.connect() for _ in range(left)]
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await lab.connect()
        error = await lab.seen("database.error")
        assert (error["sqlstate"], error["role"]) == ("53300", "app")
        assert error["client"].startswith("127.0.0.1:")
        for connection in got:
            await connection.close()
    every = [await lab.connect() for _ in range(10 - 3 - 1)]
    for connection in (there, *every):
        await connection.close()
    assert len(lab.of("database.error")) == 1, "none of the harness's own"


async def test_a_slot_that_the_app_takes_meanwhile_is_not_taken_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "crashloop.faults.database.slots_taken.FREE",
        FREE.replace("select current", "select 1 + current"),
    )
    async with lab.active(SlotsTaken()):
        assert lab.of("database.sessions_taken") == [{"count": 10 - 3, "left": 1}]
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await lab.connect()
    assert await lab.answers()


async def test_a_role_whose_name_has_a_line_of_the_log_forges_no_error(lab: Lab) -> None:
    line = "x\n2026-11-27 19:33:56.251 UTC [1] 2026-11-27 19:33:56 UTC 6925f1.1 53300"
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(lab.server.app_url(), user=line, timeout=BOUND_S)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(lab.server.app_url(), user="odd name", timeout=BOUND_S)
    error = await lab.seen("database.error")
    assert (error["sqlstate"], error["role"]) == ("28P01", "odd name")


async def test_slots_that_are_not_there_cannot_be_left(lab: Lab) -> None:
    with pytest.raises(UsageError, match="only 7 free slots"):
        async with lab.active(SlotsTaken(left=7)):
            pass
    assert await lab.answers()


async def test_a_server_that_starts_up_answers_57p03_and_accepts_after_the_heal(lab: Lab) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    first = lab.server.pid
    async with lab.active(StartingUp()):
        assert lab.of("database.starting") == [{"pid": lab.server.pid, "sqlstate": "57P03"}]
        for _ in range(2):
            with pytest.raises(asyncpg.CannotConnectNowError) as refusal:
                await lab.connect()
            assert refusal.value.sqlstate == "57P03"
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)):
            await there.fetchval("select 1")
        asking = asyncio.create_task(lab.server.inspector.ask("select one from kept"))
        await asyncio.wait({asking}, timeout=NO_ANSWER_S)
        assert not asking.done(), "the harness's own questions wait for the heal"
    assert lab.of("database.promoted") == [{"pid": lab.server.pid}]
    assert await asyncio.wait_for(asking, BOUND_S) == 1
    assert await lab.answers()
    assert [e["sqlstate"] for e in lab.of("database.error") if e["severity"] == "FATAL"] == [
        "57P01", "57P03", "57P03",
    ]  # fmt: skip
    assert identity(first) is None
    assert not lab.server.died.is_set()
    assert not lab.of("database.died")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_server_recovers_what_was_written_and_answers_57p03_until_the_heal(
    lab: Lab,
) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    async with lab.active(Recovering()):
        (recovering,) = lab.of("database.recovering")
        (stopped,) = recovering["stopped"]
        assert (recovering["pid"], recovering["sqlstate"]) == (lab.server.pid, "57P03")
        assert state(stopped) == "T (stopped)"
        for _ in range(2):
            with pytest.raises(asyncpg.CannotConnectNowError):
                await lab.connect()
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)):
            await there.fetchval("select 1")
    assert lab.of("database.recovered") == [{"pid": lab.server.pid}]
    assert await lab.server.inspector.ask("select one from kept") == 1
    assert await lab.answers()
    log = (lab.evidence / "postgres.log").read_text()
    at = [log.index(words) for words in (
        "received immediate shutdown request", "automatic recovery in progress",
        "57P03 ", "redo starts at", "redo done at",
    )]  # fmt: skip
    assert at == sorted(at)
    assert not lab.server.died.is_set()
    assert not list(lab.server.data_dir.rglob("*.kept"))


async def test_a_read_only_server_refuses_writes_of_open_and_new_sessions_until_the_heal(
    lab: Lab,
) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    async with lab.active(ReadOnly()):
        new = await lab.connect()
        for connection in (there, new):
            assert await connection.fetchval("select one from kept") == 1
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("insert into kept values (2)")
        error = await lab.seen("database.error")
        assert (error["sqlstate"], error["role"]) == ("25006", "app")
    for connection in (there, new):
        await connection.execute("insert into kept values (3)")
        await connection.close()
    assert "read_only" not in (lab.server.data_dir / "postgresql.auto.conf").read_text()


async def test_the_harness_still_takes_its_locks_in_a_read_only_server(lab: Lab) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    async with lab.active(ReadOnly()), lab.active(LockHeld(table="kept")):
        reading = asyncio.create_task(there.fetchval("select one from kept"))
        await lab.seen("database.lock_waiting")
        assert not reading.done()
    assert await reading == 1
    await there.close()


def error_of(fault: Fault) -> type[asyncpg.PostgresError]:
    """What asyncpg raises for a new session under a fault of the app's access."""
    if isinstance(fault, MissingDatabase):
        return cast("type[asyncpg.PostgresError]", asyncpg.InvalidCatalogNameError)
    return cast("type[asyncpg.PostgresError]", asyncpg.InvalidPasswordError)


STORED = """
select r.rolname, r.rolpassword, d.datname, d.datdba = r.oid as owns
from pg_authid r, pg_database d where r.rolname = 'app' and d.datname = 'app'
"""


@pytest.mark.parametrize("fault", ACCESS)
async def test_a_changed_access_refuses_new_sessions_and_comes_back_as_it_was(
    lab: Lab, fault: Fault
) -> None:
    async with lab.server.session(superuser=True) as own:
        before = dict(await own.fetchrow(STORED))
    there = await lab.connect()
    async with lab.active(fault):
        with pytest.raises(error_of(fault)):
            await lab.connect()
        assert await there.fetchval("select 1") == 1, "a session that is open goes on"
        (error,) = lab.of("database.error")
        assert error["sqlstate"] == error_of(fault).sqlstate
    async with lab.server.session(superuser=True) as own:
        assert dict(await own.fetchrow(STORED)) == before
    assert await there.fetchval("select 1") == 1
    await there.close()
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_the_sessions_of_the_harness_go_on_while_the_access_is_changed(
    lab: Lab, fault: Fault
) -> None:
    async with lab.active(fault):
        await lab.server.inspector.close()
        assert await lab.server.inspector.ask("select 1") == 1
        for superuser in (True, False):
            async with lab.server.session(superuser=superuser) as own:
                assert await own.fetchval("select 1") == 1
        async with lab.active(SlotsTaken()), lab.active(ReadOnly()):
            pass
        assert not lab.of("database.error")
    assert await lab.answers()


async def test_all_of_the_access_may_be_changed_at_once_and_healed_in_any_order(lab: Lab) -> None:
    stack = [lab.active(fault) for fault in (MissingRole(), WrongPassword(), MissingDatabase())]
    for each in stack:
        await each.__aenter__()
    async with lab.server.session(superuser=False) as own:
        assert await own.fetchval("select 1") == 1
    for each in stack:
        await each.__aexit__(None, None, None)
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_two_faults_of_the_same_access_at_once_are_refused(lab: Lab, fault: Fault) -> None:
    async with lab.active(fault):
        with pytest.raises(UsageError, match="at once"):
            async with lab.active(fault):
                pass
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_a_fault_of_the_access_that_is_refused_by_the_server_changes_nothing(
    lab: Lab, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.engines.access.secrets.token_hex", lambda _: "x'" * 40)
    with contextlib.suppress(asyncpg.PostgresError):
        async with lab.active(fault):
            pass
    assert await lab.answers()


async def test_only_the_log_tells_a_role_that_is_missing_from_a_wrong_password(lab: Lab) -> None:
    async with lab.active(WrongPassword()):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lab.connect()
    async with lab.active(MissingRole()):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lab.connect()
        unknown = await lab.seen("database.role_unknown")
    assert len(lab.of("database.role_unknown")) == 1
    assert unknown == lab.of("database.error")[-1]


@pytest.mark.parametrize("fault", RESTARTS)
async def test_a_server_can_start_up_again_and_again(lab: Lab, fault: Fault) -> None:
    for _ in range(2):
        async with lab.active(fault):
            with pytest.raises(asyncpg.CannotConnectNowError):
                await lab.connect()
        assert await lab.answers()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_paused_server_accepts_and_never_answers_until_the_heal(lab: Lab) -> None:
    there = await lab.connect()
    async with lab.active(Paused()):
        (stopped,) = lab.of("process.stopped")
        assert lab.server.pid in stopped["pids"]
        assert there.get_server_pid() in stopped["pids"]
        assert {state(pid) for pid in stopped["pids"]} == {"T (stopped)"}
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.server.port)
        writer.write(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest
        answer = asyncio.create_task(reader.read(1))
        asking = asyncio.create_task(there.fetchval("select 1"))
        own = asyncio.create_task(lab.server.inspector.ask("select 1"))
        await asyncio.wait({answer, asking, own}, timeout=NO_ANSWER_S)
        assert not answer.done()
        assert not asking.done()
        assert not own.done()
    (continued,) = lab.of("process.continued")
    assert continued["pids"] == stopped["pids"]
    async with asyncio.timeout(BOUND_S):
        assert await answer == b"N"
        assert await asking == 1
        assert await own == 1
    writer.close()
    await there.close()


async def test_a_server_whose_processes_proc_does_not_show_cannot_be_paused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.engines.stopping.sys.platform", "darwin")
    with pytest.raises(CapabilityError, match="this is darwin"):
        async with lab.active(Paused()):
            pass
    assert await lab.answers()


async def table(lab: Lab) -> tuple[LockHeld, str]:
    connection = await lab.connect()
    await connection.execute('create table "Odd name"(id int)')
    await connection.close()
    return LockHeld(table='"Odd name"'), 'select count(*) from "Odd name"'


async def advisory(_: Lab) -> tuple[LockHeld, str]:
    return LockHeld(advisory=7), "select 0 from pg_advisory_lock(7)"


@pytest.mark.parametrize("locked", [table, advisory])
async def test_a_held_lock_lets_others_wait_and_each_of_them_is_named(
    lab: Lab, locked: Callable[[Lab], Awaitable[tuple[LockHeld, str]]]
) -> None:
    fault, query = await locked(lab)
    waiter, other = await lab.connect(), await lab.connect()
    async with lab.active(fault):
        waiting = asyncio.create_task(waiter.fetchval(query, timeout=BOUND_S))
        said = await lab.seen("database.lock_waiting")
        assert said["pid"] == waiter.get_server_pid()
        assert said["blocked_by"] not in {said["pid"], other.get_server_pid()}
        assert await other.fetchval("select 1") == 1
        assert not waiting.done()
    assert await asyncio.wait_for(waiting, BOUND_S) == 0
    assert said["client"] == await own_address(waiter)
    assert len(lab.of("database.lock_waiting")) == 1
    assert await lab.server.inspector.ask("select count(*) from pg_locks where not granted") == 0
    for connection in (waiter, other):
        await connection.close()


async def test_a_wait_that_begins_just_before_the_heal_is_named_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.faults.database.watching.LOOK_EVERY_S", BOUND_S)
    waiter = await lab.connect()
    async with lab.active(LockHeld(advisory=7)):
        waiting = asyncio.create_task(waiter.execute("select pg_advisory_lock(7)"))
        async with asyncio.timeout(BOUND_S):
            while not await lab.server.inspector.ask("select true from pg_locks where not granted"):
                pass
    await waiting
    assert [e["pid"] for e in lab.of("database.lock_waiting")] == [waiter.get_server_pid()]
    await waiter.close()


@own_mounts
async def test_nothing_can_be_added_to_a_full_disk_until_the_heal(lab: Lab) -> None:
    there = await lab.connect()
    await there.execute("create table kept(id int primary key)")
    await there.execute("insert into kept values (1)")
    await there.close()
    for number in (1, 2):
        async with lab.active(DiskFull()):
            assert lab.of("database.disk_full")[-1] == {"sqlstate": "53100"}
            connection = await lab.connect()
            assert await connection.fetchval("select max(id) from kept") == number
            with pytest.raises(asyncpg.DiskFullError):
                await connection.execute("create table made(id int primary key)")
            error = await lab.seen("database.error")
            assert (error["sqlstate"], error["role"]) == ("53100", "app")
        assert lab.of("database.disk_freed")[-1] == {"pid": lab.server.pid}
        await connection.execute("insert into kept select max(id) + 1 from kept")
        await connection.execute("create table made(id int primary key); drop table made")
        await connection.close()
    assert str(lab.server.data_dir.parents[1]) not in mounts(os.getpid())
    assert str(lab.server.data_dir.parents[1] / "disk") in mounts(lab.server.pid)
    assert not lab.of("database.died")


@own_mounts
@pytest.mark.parametrize("fault", RESTARTS)
async def test_a_server_on_a_small_disk_is_not_started_again(lab: Lab, fault: Fault) -> None:
    async with lab.active(DiskFull()):
        pass
    with pytest.raises(UsageError, match="cannot be started again: its disk ends with it"):
        async with lab.active(fault):
            pass
    assert await lab.answers()


@own_mounts
async def test_a_database_that_is_in_use_gets_no_small_disk(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = lab.server._own
    monkeypatch.setattr(lab.server, "_own", replace(own, database="app"))
    with pytest.raises(HarnessError, match="did not get a disk of its own"):
        async with lab.active(DiskFull()):
            pass


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_a_slow_statement_runs_until_the_heal_and_waits_for_nobody(
    lab: Lab, isolation: str
) -> None:
    slow, other = await lab.connect(), await lab.connect()
    await slow.execute(f"set session characteristics as transaction isolation level {isolation}")
    async with lab.active(SlowQuery()):
        running = asyncio.create_task(slow.execute("create table made(id int)", timeout=BOUND_S))
        said = await lab.seen("database.statement_running")
        assert said["pid"] == slow.get_server_pid()
        assert said["modelled"] is True
        assert await other.fetchval("select 1") == 1
        assert await lab.server.inspector.ask("select 1 from pg_locks where not granted") is None
        assert not running.done()
    assert await asyncio.wait_for(running, BOUND_S) == "CREATE TABLE"
    assert said["client"] == await own_address(slow)
    assert len(lab.of("database.statement_running")) == 1
    left = "select count(*) from pg_namespace where nspname like 'crashloop%'"
    assert await lab.server.inspector.ask(left) == 0
    assert await lab.server.inspector.ask("select count(*) from pg_event_trigger") == 0
    for connection in (slow, other):
        await connection.close()


async def test_no_statement_sleeps_when_the_session_of_the_fault_is_gone(lab: Lab) -> None:
    slow = await lab.connect()
    ended = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
    ended += " and mode = 'ExclusiveLock'"

    async def break_off() -> None:
        async with lab.active(SlowQuery()):
            assert await lab.server.inspector.ask(ended)
            assert await slow.execute("create table made(id int)", timeout=BOUND_S)

    with pytest.raises(HarnessError, match="the event trigger was not dropped"):
        await break_off()
    await slow.close()


async def test_a_table_that_is_not_there_is_made_by_the_holder_and_is_gone_after_the_heal(
    lab: Lab,
) -> None:
    waiter = await lab.connect()
    async with lab.active(LockHeld(table="Kept", create=True)):
        making = asyncio.create_task(waiter.execute("create table if not exists kept (one int)"))
        await lab.seen("database.lock_waiting")
        assert not making.done()
    await asyncio.wait_for(making, BOUND_S)
    assert await waiter.fetch("select one from kept") == []
    await waiter.close()


@pytest.mark.parametrize("name", ["a.b.c.d", "a; drop table x", ""])
async def test_a_table_that_cannot_be_made_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(UsageError, match="lock_held"):
        async with lab.active(LockHeld(table=name, create=True)):
            pass
    assert await lab.answers()


@pytest.mark.parametrize("name", ["missing", "a.b.c.d", "a; drop table x", "pg_views", "pg_class"])
async def test_a_table_that_is_not_there_cannot_be_locked(lab: Lab, name: str) -> None:
    with pytest.raises(UsageError, match="there is no table"):
        async with lab.active(LockHeld(table=name)):
            pass
    assert await lab.answers()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_harness_error_heals_and_leaves_nothing(lab: Lab, fault: Fault) -> None:
    async def break_off() -> None:
        async with lab.active(fault):
            raise HarnessError("something else broke")

    with pytest.raises(HarnessError, match="something else broke"):
        await break_off()
    assert await lab.answers()
    sessions = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
    assert await lab.server.inspector.ask(sessions) == 1
    assert await lab.server.inspector.ask("select count(*) from pg_locks l where granted "
        "and l.pid <> pg_backend_pid()") == 0  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_cancelled_run_heals_and_stops_its_server(tmp_path: Path, fault: Fault) -> None:
    begun: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with running(tmp_path, max_connections=10) as lab, lab.active(fault):
            begun.set_result(lab.server.data_dir)
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    data_dir = await asyncio.wait_for(begun, BOUND_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, BOUND_S)
    assert not postgres_backends([str(data_dir)])
    assert not data_dir.exists()


@pytest.mark.parametrize("fault", RESTARTS)
async def test_a_server_that_dies_while_it_starts_up_is_noticed(lab: Lab, fault: Fault) -> None:
    async def kill() -> None:
        async with lab.active(fault):
            os.kill(lab.server.pid, signal.SIGKILL)
            await asyncio.wait_for(lab.server.died.wait(), BOUND_S)

    with pytest.raises(HarnessError, match="was ended by SIGKILL"):
        await kill()


async def test_two_faults_that_stop_the_server_at_once_are_refused(lab: Lab) -> None:
    async with lab.active(StartingUp()):
        with pytest.raises(UsageError, match="two faults"):
            async with lab.active(StartingUp()):
                pass
    assert await lab.answers()


async def test_the_limits_of_a_scenarios_sessions_are_not_for_the_harness(tmp_path: Path) -> None:
    limits = {
        "idle_in_transaction_session_timeout": 50,
        "statement_timeout": 50,
        "lock_timeout": 50,
    }
    async with running(tmp_path, **limits) as lab:
        fault, query = await table(lab)
        waiter = await lab.connect()
        async with lab.active(fault):
            with pytest.raises(asyncpg.PostgresError):
                await waiter.execute("select pg_sleep(1)")
            assert await lab.server.inspector.ask("select true from pg_sleep(0.1)")
            with pytest.raises(asyncpg.PostgresError):
                await waiter.fetchval(query)
        await waiter.close()


async def test_settings_that_postgres_refuses_are_the_scenarios_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not start with max_connections=-1"):
        async with running(tmp_path, max_connections=-1):
            pass


async def test_a_newer_schema_lacks_the_column_until_the_heal(lab: Lab) -> None:
    connection = await lab.connect()
    try:
        await connection.execute('create table "Orders" ("To" text)')
        await connection.execute("insert into \"Orders\" values ('kept')")
        async with lab.active(ImageOlder(table='"Orders"', column="To")):
            with pytest.raises(asyncpg.UndefinedColumnError):
                await connection.fetch('select "To" from "Orders"')
            assert (await lab.seen("database.error"))["sqlstate"] == "42703"
        assert await connection.fetchval('select "To" from "Orders"') == "kept"
    finally:
        await connection.close()


async def test_a_table_that_a_newer_image_made_is_gone_after_the_heal(lab: Lab) -> None:
    async with lab.active(ImageOlder(table="messages", column="text", create=True)):
        connection = await lab.connect()
        await connection.execute("create table if not exists messages (text text)")
        with pytest.raises(asyncpg.UndefinedColumnError):
            await connection.fetch("select text from messages")
        await connection.close()
    connection = await lab.connect()
    assert await connection.fetchval("select to_regclass('messages')") is None
    await connection.close()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (ImageOlder(table="mesages", column="text"), "there is no table 'mesages'"),
        (ImageOlder(table="things", column="txt"), "there is no column 'txt' in things"),
        (ImageOlder(table="things", column="txt", create=True), "there is no column 'txt'"),
        (ImageOlder(table="not a name", column="txt"), "there is no table 'not a name'"),
    ],
)
async def test_a_newer_schema_needs_a_column_that_is_there(
    lab: Lab, fault: ImageOlder, says: str
) -> None:
    connection = await lab.connect()
    await connection.execute("create table things (text text)")
    await connection.close()
    with pytest.raises(UsageError, match=says):
        async with lab.active(fault):
            pass


async def test_a_table_of_somebody_else_cannot_be_of_a_newer_image(lab: Lab) -> None:
    async with lab.server.session(superuser=True) as own:
        await own.execute("create table theirs (text text)")
    with pytest.raises(UsageError, match="may not change theirs: must be owner"):
        async with lab.active(ImageOlder(table="theirs", column="text")):
            pass


@pytest.mark.parametrize("params", [{}, {"table": "messages"}, {"column": "text"}])
def test_a_newer_schema_needs_a_table_and_a_column(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="image_older got table="):
        ImageOlder(**params)

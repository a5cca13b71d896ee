"""Faults that statements meet: locks, slow ones, another schema, a full disk."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from database_faults import BOUND_S, RESTARTS, Lab, mounts, own_address, own_mounts, running

from crashloop.errors import HarnessError, UsageError
from crashloop.faults.database.disk_full import DiskFull
from crashloop.faults.database.image_older import ImageOlder
from crashloop.faults.database.lock_held import LockHeld
from crashloop.faults.database.slow_query import SlowQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from crashloop.faults.base import Fault


pytestmark = pytest.mark.slow


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path, max_connections=10) as lab:
        yield lab


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


async def test_a_session_that_waits_again_is_named_again(lab: Lab) -> None:
    waiter = await lab.connect()
    await waiter.execute("set lock_timeout = '200ms'")
    async with lab.active(LockHeld(advisory=7)):
        for number in (1, 2):
            with pytest.raises(asyncpg.LockNotAvailableError):
                await waiter.execute("select pg_advisory_lock(7)", timeout=BOUND_S)
            assert len(lab.of("database.lock_waiting")) == number
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


async def test_statements_of_a_session_take_their_time_once_and_again_after_a_rollback(
    lab: Lab,
) -> None:
    takes_s = 0.3
    slow, other = await lab.connect(), await lab.connect()

    async def took_s(session: asyncpg.Connection[Any], statement: str) -> float:
        began_s = time.monotonic()
        await session.execute(statement, timeout=BOUND_S)
        return time.monotonic() - began_s

    async with lab.active(SlowQuery(takes_s=takes_s)):
        await slow.execute("begin")
        assert await took_s(slow, "create table made(id int)") >= takes_s
        assert await took_s(slow, "create table besides(id int)") < takes_s
        await slow.execute("rollback")
        assert await took_s(slow, "create table made(id int)") >= takes_s
        assert await took_s(other, "create table others(id int)") >= takes_s
    assert await took_s(other, "drop table made, others") < takes_s
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


@pytest.mark.parametrize("name", ["missing", "missing.orders", "pg_views", "pg_class"])
async def test_a_table_that_is_not_there_cannot_be_locked(lab: Lab, name: str) -> None:
    with pytest.raises(UsageError, match="there is no table"):
        async with lab.active(LockHeld(table=name)):
            pass
    assert await lab.answers()


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


async def test_a_table_that_a_newer_image_made_can_have_other_columns(lab: Lab) -> None:
    others = "id bigint generated always as identity, at timestamptz default now()"
    fault = ImageOlder(table="messages", column="text", create=True, others=others)
    async with lab.active(fault):
        (seen,) = lab.of("database.schema_newer")
        assert seen["columns"] == ["text_of_a_newer_image", "id", "at"]
        connection = await lab.connect()
        await connection.execute("insert into messages (text_of_a_newer_image) values ('kept')")
        assert await connection.fetchval("select id from messages") == 1
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

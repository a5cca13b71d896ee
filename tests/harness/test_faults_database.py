"""Faults of a real Postgres, as a client sees them, and what the server says about them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest
from database_faults import BOUND_S, FAULTS, NO_ANSWER_S, RESTARTS, Lab, running, state

from crashloop.engines.reaper import identity, postgres_backends
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.faults.database.paused import Paused
from crashloop.faults.database.recovering import Recovering
from crashloop.faults.database.slots_taken import FREE, SlotsTaken
from crashloop.faults.database.starting_up import StartingUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.faults.base import Fault


pytestmark = pytest.mark.slow


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path, max_connections=10) as lab:
        yield lab


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


async def test_settings_that_postgres_refuses_are_the_scenarios_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not start with max_connections=-1"):
        async with running(tmp_path, max_connections=-1):
            pass

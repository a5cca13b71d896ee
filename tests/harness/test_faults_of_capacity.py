"""The faults of a server that is shared: by readers of a table, and by workers of an app."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest
from database_faults import BOUND_S, Lab, own_address, running
from local_runs import REDIS, opened

from crashloop.faults.database.shared_capacity import SharedCapacity
from crashloop.faults.process.many_workers import ManyWorkers
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.slow

WORK_S = 0.3
# Two at once take twice as long; whoever begins a little earlier has that for itself.
TWO_S = 1.8 * WORK_S
MADE = "create table if not exists policies (key text primary key, value text not null)"
READ = "select key, value from policies"
LEFT = "select count(*) from pg_namespace where nspname like 'crashloop%'"
WORKERS = """
import os, subprocess, sys
wanted = int(os.environ.get("WEB_CONCURRENCY", "1"))
children = [subprocess.Popen(["sleep", "60"]) for _ in range(wanted)]
children[0].wait()
"""


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path, max_connections=10) as lab:
        yield lab


async def reading_s(connection: asyncpg.Connection) -> float:
    """How long it takes to read the table as an app does that makes it if it is missing."""
    await connection.execute(MADE)
    begun_s = time.monotonic()
    rows = await connection.fetch(READ, timeout=BOUND_S)
    assert len(rows) <= 1
    return time.monotonic() - begun_s


async def test_two_readers_at_once_take_twice_as_long_as_one(lab: Lab) -> None:
    one, other = await lab.connect(), await lab.connect()
    async with lab.active(SharedCapacity(table="policies", work_s=WORK_S)):
        alone_s = await reading_s(one)
        together_s = await asyncio.gather(reading_s(one), reading_s(other))
        said = lab.of("database.read_shared")
    assert WORK_S <= alone_s < TWO_S <= min(together_s)
    assert {each["client"] for each in said} == {await own_address(one), await own_address(other)}
    assert max(each["at_once"] for each in said) == 2
    for connection in (one, other):
        await connection.close()


async def test_who_reads_is_done_at_the_heal_and_nothing_is_left(lab: Lab) -> None:
    reader = await lab.connect()
    async with lab.active(SharedCapacity(table="policies", work_s=60.0)):
        reading = asyncio.create_task(reading_s(reader))
        await lab.seen("database.read_shared")
        assert not reading.done()
    await asyncio.wait_for(reading, BOUND_S)
    assert await reading_s(reader) < WORK_S
    assert await lab.server.inspector.ask(LEFT) == 0
    await reader.close()


async def test_a_reader_that_gives_up_leaves_its_part_to_the_others(lab: Lab) -> None:
    one, other = await lab.connect(), await lab.connect()
    async with lab.active(SharedCapacity(table="policies", work_s=WORK_S)):
        await other.execute(MADE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WORK_S / 2):
                await other.fetch(READ)
        assert await reading_s(one) < TWO_S
    for connection in (one, other):
        await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_server_is_told_how_many_workers_to_start_and_has_them(tmp_path: Path) -> None:
    app = AppUnderTest(name="server", command=("{python}", "-c", WORKERS))
    async with opened(tmp_path, app, REDIS) as run:
        active = ManyWorkers(workers=3).active(run.engine.ports, name="f", target="replicas")
        async with active, run.replicas():
            (seen,) = await run.until("process.workers_started")
    assert len(seen.data["workers"]) == 3
    assert seen.data["fault"] == "f"

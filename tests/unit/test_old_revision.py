"""The old revision's instances beside the new ones."""

from __future__ import annotations

import asyncio

import pytest
from supervised import AppLife, Run, serves

from crashloop.model import Life, Replicas

REPLICAS = Replicas(count=2, overlap=2)


async def old(life: Life) -> AppLife:
    return AppLife(life)


async def test_old_instances_run_while_entered_and_are_numbered_after_the_new_ones() -> None:
    run = Run(serves, replicas=REPLICAS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        async with run.supervisor.old_revision(old) as processes:
            assert len(processes) == REPLICAS.overlap
            await run.seen("process.started", 4)
        ended = run.of("process.exited")
        await run.supervisor.stop()

    revisions = {e.life: e.data["revision"] for e in run.of("process.started")}
    assert revisions == {
        Life(1, 1): "new", Life(2, 1): "new", Life(3, 1): "old", Life(4, 1): "old",
    }  # fmt: skip
    assert {e.life for e in ended} == {Life(3, 1), Life(4, 1)}
    assert all(e.data["requested"] for e in ended)


async def test_old_instances_may_run_before_the_first_new_one() -> None:
    run = Run(serves, replicas=REPLICAS)
    async with asyncio.timeout(5), run.supervisor.old_revision(old), asyncio.TaskGroup() as group:
        assert not run.lives
        group.create_task(run.supervisor.run())
        await run.seen("process.started", 4)
        await run.supervisor.stop()
    assert len(run.of("process.exited")) == 4


async def test_a_second_overlap_continues_the_numbers_of_the_first() -> None:
    run = Run(serves, replicas=Replicas(overlap=1))
    async with asyncio.timeout(5):
        for _ in range(2):
            async with run.supervisor.old_revision(old):
                pass
    assert [e.life for e in run.of("process.started")] == [Life(2, 1), Life(2, 2)]


async def test_an_old_instance_that_dies_is_an_event_and_is_started_again() -> None:
    lives: dict[Life, AppLife] = {}

    async def start(life: Life) -> AppLife:
        lives[life] = AppLife(life)
        return lives[life]

    run = Run(serves, replicas=Replicas(overlap=1))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(run.supervisor.run())
        async with run.supervisor.old_revision(start):
            lives[Life(2, 1)].end(1)
            await run.seen("process.started", 2, replica=2)
            assert not running.done()
        await run.supervisor.stop()
    first, second = run.of("process.exited", replica=2)
    assert (first.data["exit_code"], first.data["requested"]) == (1, False)
    assert second.data["requested"]


async def test_the_old_instances_outlive_a_stop_of_the_run_and_no_more_are_started() -> None:
    run = Run(serves, replicas=REPLICAS)
    async with asyncio.timeout(5):
        async with run.supervisor.old_revision(old):
            await run.supervisor.stop()
            assert not run.of("process.exited")
        await run.seen("process.exited", 2)
        async with run.supervisor.old_revision(old) as processes:
            assert processes == []
    assert len(run.of("process.started")) == 2


async def test_an_old_instance_that_cannot_be_started_is_an_error_and_ends_the_others() -> None:
    started: list[AppLife] = []

    async def start(life: Life) -> AppLife:
        if life.replica == 4:
            raise OSError("no more processes")
        started.append(AppLife(life))
        return started[0]

    run = Run(serves, replicas=REPLICAS)
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(5), run.supervisor.old_revision(start):
            await asyncio.Event().wait()
    assert raised.group_contains(OSError, match="no more processes")
    assert [life.has_ended for life in started] == [True]


async def test_a_cancelled_overlap_ends_its_instances() -> None:
    run = Run(serves, replicas=REPLICAS)
    started: list[AppLife] = []

    async def start(life: Life) -> AppLife:
        started.append(AppLife(life))
        return started[-1]

    async def overlap() -> None:
        async with run.supervisor.old_revision(start):
            await asyncio.Event().wait()

    overlapping = asyncio.create_task(overlap())
    await run.seen("process.started", 2)
    overlapping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await overlapping
    assert [life.has_ended for life in started] == [True, True]

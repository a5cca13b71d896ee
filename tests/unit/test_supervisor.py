"""The supervisor, with lives that end when they are told to."""

from __future__ import annotations

import asyncio
import time

import pytest
from supervised import FAST, AppLife, Run, dies, serves

from crashloop.clock import TimeScale
from crashloop.model import Life, Replicas


async def test_every_death_is_restarted_until_the_platform_gives_up() -> None:
    run = Run(dies, platform="docker:on-failure:2")
    await run.supervisor.run()

    life = ["process.started", "process.exited"]
    again = [*life, "restart.scheduled"]
    assert [e.kind for e in run.recorder.events] == [*again, *again, *life, "restart.gave_up"]
    assert [e.data["exit_code"] for e in run.of("process.exited")] == [3, 3, 3]
    assert [e.data["backoff_s"] for e in run.of("restart.scheduled")] == [0.1, 0.2]
    assert {e.data["revision"] for e in run.of("process.started")} == {"new"}
    # Real work does not count as the incident's own time: a life without any wait is short.
    assert max(e.data["run_incident_s"] for e in run.of("process.exited")) < 1
    assert [e.life for e in run.of("process.started")] == [Life(1, n) for n in (1, 2, 3)]


async def drawn_pauses_s(seed: int, replica: int) -> list[float]:
    """The first four back-offs of one of two replicas on a platform that draws them."""
    run = Run(dies, platform="ecs", replicas=Replicas(count=2), seed=seed)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("restart.scheduled", 4, replica)
        await run.supervisor.stop()
    return [event.data["backoff_s"] for event in run.of("restart.scheduled", replica)[:4]]


async def test_the_seed_decides_the_pauses_of_a_platform_that_draws_them() -> None:
    first, again, other = [await drawn_pauses_s(seed, 1) for seed in (7, 7, 8)]
    assert first == again != other
    assert len(set(first)) == 4
    assert await drawn_pauses_s(7, 2) != first


async def test_a_stop_during_a_start_ends_the_life_once_it_runs() -> None:
    starting, may_run = asyncio.Event(), asyncio.Event()

    async def start(_: Run, life: Life) -> AppLife:
        starting.set()
        await may_run.wait()
        return AppLife(life)

    run = Run(start, platform="always")
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await starting.wait()
        await run.supervisor.stop()
        may_run.set()

    assert [event.kind for event in run.recorder.events] == ["process.started", "process.exited"]
    assert run.recorder.events[-1].data["signal"] == "SIGTERM"
    assert run.recorder.events[-1].data["requested"] is True


async def test_a_stop_before_the_first_start_starts_nothing() -> None:
    run = Run(serves)
    await run.supervisor.stop()
    await run.supervisor.run()
    assert run.recorder.events == []


async def test_a_stop_during_a_pause_ends_it() -> None:
    run = Run(dies, platform="cloud-run-observed", scale=TimeScale(factor=1))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("restart.scheduled")
        await run.supervisor.stop()
    assert len(run.lives) == 1


async def test_each_replica_starts_its_stagger_after_the_one_before() -> None:
    stagger_s = 40.0
    run = Run(serves, replicas=Replicas(count=3, stagger_s=stagger_s))
    begun_ns = time.monotonic_ns()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.started", 3)
        await run.supervisor.stop()

    started = run.of("process.started")
    assert [e.life for e in started] == [Life(replica, 1) for replica in (1, 2, 3)]
    for index, event in enumerate(started):
        assert (event.mono_ns - begun_ns) / 1e9 >= FAST.wall_s(index * stagger_s)
    assert {e.data["requested"] for e in run.of("process.exited")} == {True}


async def test_a_stop_starts_no_replica_that_was_still_to_come() -> None:
    run = Run(serves, replicas=Replicas(count=3, stagger_s=1e6))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.started")
        await run.supervisor.stop()
    assert list(run.lives) == [Life(1, 1)]


async def test_a_replica_that_is_given_up_leaves_the_others_running() -> None:
    async def start(_: Run, life: Life) -> AppLife:
        return AppLife(life, status=3 if life.replica == 2 else None)

    run = Run(start, platform="on-failure:1", replicas=Replicas(count=3))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(run.supervisor.run())
        await run.seen("restart.gave_up")
        assert [e.replica for e in run.of("restart.gave_up")] == [2]
        assert not running.done()
        assert not run.lives[Life(1, 1)].has_ended
        assert not run.lives[Life(3, 1)].has_ended
        await run.supervisor.stop()
    assert [e.replica for e in run.of("process.exited")][:2] == [2, 2]


async def test_an_error_of_one_start_ends_every_replica_and_is_raised() -> None:
    run: Run

    async def start(run: Run, life: Life) -> AppLife:
        if life.replica == 3:
            await run.seen("process.started", 2)
            raise OSError("no more processes")
        return AppLife(life)

    run = Run(start, replicas=Replicas(count=3))
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(5):
            await run.supervisor.run()
    assert raised.group_contains(OSError, match="no more processes")
    assert len(run.lives) == 2
    assert all(life.has_ended for life in run.lives.values())


async def test_a_cancelled_run_ends_every_life() -> None:
    run = Run(serves, replicas=Replicas(count=2))
    running = asyncio.create_task(run.supervisor.run())
    await run.seen("process.started", 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(life.has_ended for life in run.lives.values())


async def test_a_stop_that_fails_leaves_no_other_replica_running() -> None:
    class Stubborn(AppLife):
        async def stop(self) -> None:
            await super().stop()
            raise OSError("it left a process")

    async def start(_: Run, life: Life) -> AppLife:
        return Stubborn(life) if life.replica == 1 else AppLife(life)

    run = Run(start, replicas=Replicas(count=3))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.started", 3)
        with pytest.raises(ExceptionGroup) as raised:
            await run.supervisor.stop()
    assert raised.group_contains(OSError, match="it left a process")
    assert all(life.has_ended for life in run.lives.values())


async def test_an_error_beside_the_old_revision_still_records_how_that_ended() -> None:
    class SlowToEnd(AppLife):
        async def wait(self) -> int:
            status = await super().wait()
            for _ in range(10):
                await asyncio.sleep(0)
            return status

    async def start(_: Run, life: Life) -> AppLife:
        return SlowToEnd(life)

    run = Run(start, replicas=Replicas(overlap=1))
    with pytest.raises(BaseExceptionGroup):
        async with run.supervisor.old_revision(run.start):
            raise OSError
    assert [event.data["requested"] for event in run.of("process.exited")] == [True]


class Hold:
    """Holds back what is to be started again, until `may_start` is set."""

    def __init__(self, *lives: Life) -> None:
        self.asked: list[tuple[Life, float]] = []
        self.holds, self.may_start = asyncio.Event(), asyncio.Event()
        self._lives = lives

    async def __call__(self, died: Life, backoff_s: float) -> bool:
        self.asked.append((died, backoff_s))
        if died not in self._lives:
            return False
        self.holds.set()
        return await self.may_start.wait()


async def test_a_start_that_was_held_back_says_for_how_long_and_the_model_does_not_count_it() -> (
    None
):
    hold = Hold(Life(1, 1))
    run = Run(dies, platform="docker:on-failure:2", before_restart=hold)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await hold.holds.wait()
        assert list(run.lives) == [Life(1, 1)]
        hold.may_start.set()

    assert hold.asked == [(Life(1, 1), 0.1), (Life(1, 2), 0.2)]
    assert ["held_s" in e.data for e in run.of("process.started")] == [False, True, False]
    assert [e.data["backoff_s"] for e in run.of("restart.scheduled")] == [0.1, 0.2]


async def test_a_replica_that_is_held_back_holds_no_other_back() -> None:
    hold = Hold(Life(1, 1))
    run = Run(dies, platform="always", replicas=Replicas(count=2), before_restart=hold)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.started", 4, replica=2)
        await run.supervisor.stop()

    assert [life for life in run.lives if life.replica == 1] == [Life(1, 1)]


async def test_a_stop_while_a_start_is_held_back_starts_nothing() -> None:
    hold = Hold(Life(1, 1))
    run = Run(dies, before_restart=hold)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await hold.holds.wait()
        await run.supervisor.stop()

    assert list(run.lives) == [Life(1, 1)]

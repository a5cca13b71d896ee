"""What a replica waits for before it is started again: what its own death has caused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from watched_run import NEVER, READY, THIRD_DEATH, Run, watched_run

from crashloop.faults import plan
from crashloop.model import Life, Moment, Trigger

if TYPE_CHECKING:
    from crashloop.timeline import Timeline
    from crashloop.trace.event import Event

THIRD = Life(1, 3)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return watched_run(monkeypatch)


async def waits(watching: Timeline, died: Life, *, backoff_s: float = 0.1) -> bool:
    """Whether the start after this death still waits, once all tasks have had their turn."""
    waiting = asyncio.create_task(watching.done_after(died, backoff_s))
    for _ in range(3):
        await asyncio.sleep(0)
    is_waiting = not waiting.done()
    waiting.cancel()
    return is_waiting


async def test_the_start_after_the_death_that_heals_waits_until_that_is_done(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH) as watching:
        await run.ready()
        run.injector.may_act.clear()
        await run.exited(3)
        waiting = asyncio.create_task(watching.done_after(THIRD, 0.1))
        assert await waits(watching, THIRD)
        run.injector.may_act.set()
        assert await waiting
        assert run.is_healed
        assert not await watching.done_after(THIRD, 0.1)


async def test_no_other_start_waits_for_it(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH) as watching:
        await run.ready()
        run.injector.may_act.clear()
        await run.exited(3)
        await run.exited(3, replica=2)
        for other in (Life(1, 2), Life(2, 3)):
            assert not await waits(watching, other)


async def test_of_several_deaths_the_last_one_that_was_needed_is_what_healed(run: Run) -> None:
    both = Trigger(
        all_of=tuple(
            Moment(on="process.exited", where={"replica": number, "attempt": 3})
            for number in (1, 2)
        )
    )
    async with run.watched(READY, both) as watching:
        await run.ready()
        run.injector.may_act.clear()
        await run.exited(3, replica=2)
        await run.exited(3, replica=1)
        assert await waits(watching, THIRD)
        assert not await waits(watching, Life(2, 3))


async def test_a_heal_that_comes_after_the_next_start_in_the_incident_is_not_awaited(
    run: Run,
) -> None:
    later = Moment(on="process.exited", where={"attempt": 3}, after_s=5.0)
    async with run.watched(READY, later) as watching:
        await run.ready()
        run.injector.may_act.clear()
        await run.exited(3)
        run._clock.advance(0.25)  # 5 s of the incident
        assert await waits(watching, THIRD, backoff_s=5.0)
        assert not await waits(watching, THIRD, backoff_s=4.9)


async def test_what_is_due_as_soon_as_the_heal_is_done_is_awaited_as_well(run: Run) -> None:
    healed = Moment(on="fault.healed", where={"fault": "f"})
    then = plan(
        name="then",
        target="postgres",
        kind="hold",
        inject=Trigger(first_of=(healed,)),
        heal=Trigger(first_of=(NEVER,)),
    )
    is_healed = asyncio.Event()

    def hold_back(event: Event) -> None:
        if event.kind == "fault.healed":
            run.injector.may_act.clear()
            is_healed.set()

    run.recorder.subscribe(hold_back)
    async with run.watched(READY, THIRD_DEATH, besides=(then,)) as watching:
        await run.ready()
        run.recorder.emit("supervisor", "process.exited", life=THIRD)
        waiting = asyncio.create_task(watching.done_after(THIRD, 0.1))
        await is_healed.wait()
        assert await waits(watching, THIRD)
        assert run.injector.done[1:] == ["heal f"]
        run.injector.may_act.set()
        assert await waiting
        assert run.injector.done[2:] == ["inject then Hold"]


async def test_a_heal_by_time_is_nothing_that_a_death_has_caused(run: Run) -> None:
    async with run.watched(READY, Moment(on="lab.ready", after_s=5.0)) as watching:
        await run.ready()
        run.injector.may_act.clear()
        run._clock.advance(0.25)
        await run.exited(3)
        assert not await waits(watching, THIRD)

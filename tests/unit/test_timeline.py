"""From triggers to injections and heals, on a clock that the tests move."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from watched_run import AFTER_90_S, READY, THIRD_DEATH, Run, watched_run

from crashloop.errors import HarnessError
from crashloop.model import Moment, Trigger

if TYPE_CHECKING:
    from crashloop.proxy.faults import Fault


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return watched_run(monkeypatch)


async def test_a_fault_is_injected_once_at_its_first_moment(run: Run) -> None:
    async with run.watched(THIRD_DEATH):
        await run.ready()
        await run.exited(2)
        assert not run.injector.done
        cause = await run.exited(3)
        await run.exited(3)
        assert run.is_on
    injected = run.last("fault.injected")
    assert injected["trigger"] == "process.exited (attempt 3)"
    assert (injected["cause"], injected["plugged"]) == (cause.seq, True)


async def test_a_heal_comes_once_at_the_first_of_its_moments(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH, AFTER_90_S) as watching:
        await run.ready()
        await run.started(1)
        await run.exited(3)
        assert run.is_healed
        await run.started(4)
        await run.passes(10.0)
        await watching.end("the run ended")
        assert run.is_healed
    assert run.last("fault.healed")["trigger"] == "process.exited (attempt 3)"


async def test_a_heal_is_not_due_before_its_injection(run: Run) -> None:
    async with run.watched(THIRD_DEATH, READY):
        await run.ready()
        await run.exited(3)
        assert run.is_on


async def test_a_countdown_runs_in_scaled_seconds_from_its_event(run: Run) -> None:
    async with run.watched(READY, AFTER_90_S):
        await run.ready()
        await run.started(1, "init")
        await run.passes(100.0)
        begun = await run.started(1)
        await run.passes(4.4)  # 88 s of the incident
        assert run.is_on
        await run.passes(0.11)
        assert run.is_healed
    healed = run.last("fault.healed")
    assert healed["trigger"] == "90 s after phase.started (phase database)"
    assert healed["cause"] == begun.seq


async def test_a_later_start_of_the_phase_does_not_restart_the_countdown(run: Run) -> None:
    async with run.watched(READY, AFTER_90_S):
        await run.ready()
        await run.started(1)
        await run.passes(3.0)
        await run.started(2)
        await run.passes(1.6)
        assert run.is_healed


@pytest.mark.parametrize("where", [{}, {"attempt": 1}], ids=str)
async def test_the_countdown_pauses_from_an_exit_to_the_next_start_of_the_phase(
    run: Run, where: dict[str, int]
) -> None:
    after = Moment(on="phase.started", where={"phase": "database", **where}, after_s=90.0)
    async with run.watched(READY, after):
        await run.ready()
        await run.started(1)
        await run.passes(2.0)
        await run.exited(1)
        await run.passes(1000.0)
        await run.started(2)
        await run.passes(2.4)
        assert run.is_on
        await run.passes(0.2)
        assert run.is_healed


async def test_the_countdown_of_an_app_without_phases_goes_on_once_its_next_life_has_started(
    run: Run,
) -> None:
    after_injection = Moment(on="fault.injected", after_s=90.0)
    async with run.watched(READY, after_injection, start_s=1.0):
        await run.ready()
        await run.began(1)
        await run.passes(2.0)
        await run.exited(1)
        await run.passes(1000.0)
        await run.began(2)
        await run.passes(3.4)
        assert run.is_on
        await run.passes(0.2)
        assert run.is_healed


async def test_a_schedule_goes_on_through_restarts(run: Run) -> None:
    async with run.watched(READY, replace(READY, after_s=90.0, through_restarts=True)):
        await run.ready()
        await run.exited(1)
        await run.passes(4.4)
        assert run.is_on
        await run.passes(0.2)
        assert run.is_healed


async def test_in_real_time_no_countdown_pauses(run: Run) -> None:
    async with run.watched(READY, AFTER_90_S, factor=1.0):
        await run.ready()
        await run.started(1)
        await run.passes(20.0)
        await run.exited(1)
        await run.passes(70.0)
        assert run.is_healed


async def test_a_heal_may_count_from_the_event_that_caused_the_injection(run: Run) -> None:
    start = Moment(on="phase.started", where={"attempt": 2, "phase": "database"})
    later = Moment(on="phase.started", where={"attempt": 2, "phase": "database"}, after_s=5.0)
    async with run.watched(start, later):
        await run.started(2)
        await run.passes(0.24)
        assert run.is_on
        await run.passes(0.02)
        assert run.is_healed


async def test_a_heal_may_count_from_an_event_before_a_delayed_injection(run: Run) -> None:
    inject = Moment(on="lab.ready", after_s=10.0)
    heal = Moment(on="phase.started", where={"attempt": 2, "phase": "database"}, after_s=40.0)
    async with run.watched(inject, heal):
        await run.ready()
        await run.passes(0.3)
        await run.started(2)
        await run.passes(0.1)
        await run.exited(2)  # both pause: the injection with 2 s to go, the heal with 38 s
        await run.passes(0.4)
        await run.started(3)
        await run.passes(1.8)
        assert run.is_on
        await run.passes(0.2)
        assert run.is_healed


async def test_a_heal_without_a_delay_waits_for_the_delayed_injection(run: Run) -> None:
    inject = Moment(on="process.exited", after_s=20.0)
    async with run.watched(inject, Moment(on="process.exited"), factor=1):
        await run.exited(1)
        await run.passes(21.0)
        assert run.is_on
        await run.exited(2)
        assert run.is_healed


async def test_the_end_of_a_run_heals_what_is_still_on_and_says_so(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH) as watching:
        await run.ready()
        await watching.end("the run ended")
        await watching.end("the run ended")
        assert run.is_healed
    assert run.last("fault.healed")["trigger"] == "the run ended"


async def test_nothing_is_injected_at_or_after_the_end_of_a_run(run: Run) -> None:
    async with run.watched(Moment(on="lab.ready", after_s=90.0), THIRD_DEATH) as watching:
        await run.ready()
        await watching.end("the run ended")
        await run.passes(10.0)
    assert not run.injector.done


async def test_a_heal_in_progress_when_the_run_ends_is_finished_and_recorded(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH) as watching:
        await run.ready()
        run.injector.may_act.clear()
        run.injector.asked.clear()
        await run.exited(3)
        await run.injector.asked.wait()
        ending = asyncio.create_task(watching.end("the run ended"))
        await asyncio.wait({ending}, timeout=0.01)
        assert not ending.done()
        run.injector.may_act.set()
        await ending
        assert run.is_healed
    assert run.last("fault.healed")["trigger"] == "process.exited (attempt 3)"


@pytest.mark.parametrize("dies", [True, False], ids=["the third death", "the end of the run"])
async def test_what_comes_during_an_injection_heals_it_afterwards(run: Run, *, dies: bool) -> None:
    async with run.watched(READY, THIRD_DEATH) as watching:
        run.injector.may_act.clear()
        await run.ready()
        await run.injector.asked.wait()
        if dies:
            await run.exited(3)
        ending = asyncio.create_task(watching.settled() if dies else watching.end("the run ended"))
        run.injector.may_act.set()
        await ending
        assert run.is_healed


async def test_an_injection_that_takes_time_says_when_it_began(run: Run) -> None:
    async with run.watched(READY) as watching:
        run.injector.may_act.clear()
        ready = await run.ready()
        await run.injector.asked.wait()
        run._clock.advance(1)
        said = run.recorder.emit("cache", "cache.loading", target="redis")
        run.injector.may_act.set()
        await watching.settled()
    begun_ns = run.last("fault.injected")["begun_ns"]
    assert isinstance(begun_ns, int)
    assert ready.mono_ns <= begun_ns < said.mono_ns


async def test_a_faults_error_ends_the_timeline_and_leaves_no_event(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inject(fault_id: str, fault: Fault) -> None:
        raise HarnessError(f"{fault_id}: {fault} does not shut the gate")

    monkeypatch.setattr(run.injector, "inject", inject)
    async with run.watched(READY):
        run.recorder.emit("harness", "lab.ready")
        with pytest.raises(HarnessError, match="does not shut the gate"):
            await run.task
    assert [e.kind for e in run.recorder.events] == ["lab.ready"]


async def test_a_run_that_breaks_heals_what_is_injected(run: Run) -> None:
    async with run.watched(READY):
        await run.ready()
        assert run.is_on
    assert run.is_healed
    assert not [e for e in run.recorder.events if e.kind == "fault.healed"]


async def test_an_unplugged_plan_runs_and_does_nothing(run: Run) -> None:
    async with run.watched(READY, THIRD_DEATH, plugged=False):
        await run.ready()
        await run.exited(3)
    kinds = [e.kind for e in run.recorder.events]
    assert kinds == ["lab.ready", "fault.injected", "process.exited", "fault.healed"]
    assert run.last("fault.injected")["plugged"] is False
    assert not run.injector.done


async def test_all_of_its_moments_must_have_come_in_any_order(run: Run) -> None:
    deaths = [
        Moment(on="process.exited", where={"replica": number, "attempt": 3}) for number in (1, 2)
    ]
    both = Trigger(all_of=tuple(deaths))
    async with run.watched(READY, both, AFTER_90_S):
        await run.ready()
        await run.exited(3, replica=2)
        await run.exited(4, replica=2)
        assert run.is_on
        await run.exited(3, replica=1)
        assert run.is_healed
    assert run.last("fault.healed")["trigger"] == "process.exited (replica 1, attempt 3)"


async def test_the_countdown_follows_the_replica_whose_event_began_it(run: Run) -> None:
    async with run.watched(READY, AFTER_90_S):
        await run.ready()
        await run.started(1, replica=1)
        await run.started(1, replica=2)
        await run.passes(2.0)
        await run.exited(1, replica=2)
        await run.passes(2.0)
        assert run.is_on
        await run.exited(1, replica=1)
        await run.started(2, replica=2)
        await run.passes(1000.0)
        assert run.is_on
        await run.started(2, replica=1)
        await run.passes(0.6)
        assert run.is_healed


async def test_a_fault_of_each_life_is_injected_again_after_its_heal(run: Run) -> None:
    started, died = Moment(on="phase.started"), Moment(on="process.exited")
    async with run.watched(started, died, each_life=True) as watching:
        for attempt in (1, 2):
            await run.started(attempt)
            await run.exited(attempt)
        await watching.end("the run ended")
        await run.started(3)
    assert run.injector.done == ["inject f Hold", "heal f"] * 2


async def test_a_moment_compares_any_field_of_an_event(run: Run) -> None:
    moment = Moment(on="cache.loading", where={"target": "redis", "source": "cache", "keys": 3})
    async with run.watched(moment):
        run.recorder.emit("cache", "cache.loading", {"keys": 2}, target="redis")
        run.recorder.emit("cache", "cache.loading", {"keys": 3}, target="other")
        await run.timeline.settled()
        assert not run.injector.done
        run.recorder.emit("cache", "cache.loading", {"keys": 3}, target="redis")
        await run.timeline.settled()
        assert run.is_on

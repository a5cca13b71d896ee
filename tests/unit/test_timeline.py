"""From triggers to injections and heals, on a clock that the tests move."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from timelines import Clock, Injections

from crashloop import timeline
from crashloop.clock import TimeScale
from crashloop.errors import HarnessError
from crashloop.faults.injector import Unplugged
from crashloop.model import Grade, Moment, PlannedFault, Trigger
from crashloop.timeline import Timeline
from crashloop.trace.event import SCHEMA
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from crashloop.faults.injector import Injector
    from crashloop.trace.event import Event


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    loop = SimpleNamespace(Queue=asyncio.Queue, get_running_loop=lambda: clock)
    monkeypatch.setattr(timeline, "asyncio", loop)
    monkeypatch.setattr(timeline, "time", clock)
    monkeypatch.setattr("crashloop.trace.recorder.time", clock)
    return clock


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    redactor = Redactor()
    with TraceWriter(tmp_path / "trace.jsonl", {"schema": SCHEMA}, redactor) as writer:
        yield Recorder(writer, redactor)


@pytest.fixture
def injector() -> Injections:
    return Injections()


def fault(inject: Moment, *heal: Moment) -> PlannedFault:
    return PlannedFault(
        name="f",
        kind="hold",
        params={},
        grade=Grade.DIRECT,
        inject=Trigger(first_of=(inject,)),
        heal=Trigger(first_of=heal),
    )


READY = Moment(on="lab.ready")
THIRD_DEATH = Moment(on="process.exited", attempt=3)
AFTER_90_S = Moment(on="phase.started", phase="database", after_s=90.0)


@asynccontextmanager
async def running(
    planned: PlannedFault, injector: Injector, recorder: Recorder, *, factor: float = 20.0
) -> AsyncIterator[Timeline]:
    one = Timeline([planned], injector=injector, recorder=recorder, scale=TimeScale(factor=factor))
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def exited(recorder: Recorder, attempt: int) -> Event:
    return recorder.emit("supervisor", "process.exited", attempt=attempt)


def phase_started(recorder: Recorder, attempt: int, phase: str = "database") -> Event:
    return recorder.emit("app", "phase.started", {"phase": phase}, attempt=attempt)


async def test_a_fault_is_injected_once_at_its_first_moment(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY), injector, recorder) as one:
        cause = recorder.emit("harness", "lab.ready")
        recorder.emit("harness", "lab.ready")
        await one.settled()
    assert injector.done == ["inject f Hold"]
    (injected,) = [e for e in recorder.events if e.kind == "fault.injected"]
    assert injected.data["trigger"] == "lab.ready"
    assert injected.data["cause"] == cause.seq
    assert injected.data["plugged"] is True


async def test_nothing_is_injected_before_its_moment(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(THIRD_DEATH), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        exited(recorder, 1)
        exited(recorder, 2)
        await one.settled()
        assert injector.done == []
        exited(recorder, 3)
        await one.settled()
    assert injector.done == ["inject f Hold"]


async def test_a_heal_comes_once_at_the_first_of_its_moments(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    async with running(fault(READY, THIRD_DEATH, AFTER_90_S), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1)
        exited(recorder, 3)
        await one.settled()
        assert injector.done == ["inject f Hold", "heal f"]
        phase_started(recorder, 4)
        clock.advance(10.0)
        await one.settled()
        await one.end("the run ended")
    assert injector.done == ["inject f Hold", "heal f"]
    (healed,) = [e for e in recorder.events if e.kind == "fault.healed"]
    assert healed.data["trigger"] == "process.exited of attempt 3"


async def test_a_heal_is_not_due_before_its_injection(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(THIRD_DEATH, Moment(on="lab.ready")), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        exited(recorder, 3)
        await one.settled()
    assert injector.done == ["inject f Hold"]


async def test_a_countdown_runs_in_scaled_seconds_from_its_event(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    async with running(fault(READY, AFTER_90_S), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1, "init")
        clock.advance(100.0)
        begun = phase_started(recorder, 1)
        clock.advance(4.4)  # 88 s of the incident
        await one.settled()
        assert injector.done == ["inject f Hold"]
        clock.advance(0.11)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]
    assert recorder.events[-1].data["trigger"] == "90 s after phase.started database"
    assert recorder.events[-1].data["cause"] == begun.seq


async def test_a_later_start_of_the_phase_does_not_restart_the_countdown(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    async with running(fault(READY, AFTER_90_S), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1)
        clock.advance(3.0)
        phase_started(recorder, 2)
        clock.advance(1.6)
        await one.settled()
    assert injector.done[-1] == "heal f"


async def test_the_countdown_pauses_from_an_exit_to_the_next_start_of_the_phase(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    async with running(fault(READY, AFTER_90_S), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1)
        clock.advance(2.0)
        exited(recorder, 1)
        clock.advance(1000.0)
        phase_started(recorder, 2)
        clock.advance(2.4)
        await one.settled()
        assert injector.done == ["inject f Hold"]
        clock.advance(0.2)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_a_countdown_from_one_attempt_continues_in_the_next(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    of_first = Moment(on="phase.started", phase="database", attempt=1, after_s=90.0)
    async with running(fault(READY, of_first), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1)
        exited(recorder, 1)
        phase_started(recorder, 2)
        clock.advance(4.6)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_in_real_time_no_countdown_pauses(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    async with running(fault(READY, AFTER_90_S), injector, recorder, factor=1.0) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        phase_started(recorder, 1)
        clock.advance(20.0)
        exited(recorder, 1)
        clock.advance(70.0)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_the_end_of_a_run_heals_what_is_still_on_and_says_so(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY, THIRD_DEATH), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        await one.end("the run ended")
        await one.end("the run ended")
    assert injector.done == ["inject f Hold", "heal f"]
    assert recorder.events[-1].data["trigger"] == "the run ended"


async def test_the_end_of_a_run_heals_nothing_that_was_never_on(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY, THIRD_DEATH), injector, recorder) as one:
        await one.end("the run ended")
    assert injector.done == []
    assert recorder.events == []


async def test_an_injectors_error_ends_the_timeline_and_leaves_no_event(
    recorder: Recorder, injector: Injections
) -> None:
    injector.error = HarnessError("the gate does not shut")
    one = Timeline(
        [fault(READY)], injector=injector, recorder=recorder, scale=TimeScale(factor=20.0)
    )
    recorder.emit("harness", "lab.ready")
    with pytest.raises(HarnessError, match="the gate does not shut"):
        await one.run()
    assert [e.kind for e in recorder.events] == ["lab.ready"]
    recorder.emit("harness", "lab.ready")  # nobody listens any more
    assert injector.done == []


async def test_an_unplugged_plan_runs_and_does_nothing(recorder: Recorder) -> None:
    async with running(fault(READY, THIRD_DEATH), Unplugged(), recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        exited(recorder, 3)
        await one.settled()
    kinds = [e.kind for e in recorder.events]
    assert kinds == ["lab.ready", "fault.injected", "process.exited", "fault.healed"]
    assert recorder.events[1].data["plugged"] is False


async def test_a_heal_in_progress_when_the_run_ends_is_finished_and_recorded(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY, THIRD_DEATH), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.settled()
        injector.may_act.clear()
        injector.asked.clear()
        exited(recorder, 3)
        await injector.asked.wait()
        ending = asyncio.create_task(one.end("the run ended"))
        await asyncio.wait({ending}, timeout=0.01)
        assert not ending.done()
        injector.may_act.set()
        await ending
    assert injector.done == ["inject f Hold", "heal f"]
    (healed,) = [e for e in recorder.events if e.kind == "fault.healed"]
    assert healed.data["trigger"] == "process.exited of attempt 3"


async def test_an_injection_in_progress_when_the_run_ends_is_healed_as_well(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY, THIRD_DEATH), injector, recorder) as one:
        injector.may_act.clear()
        recorder.emit("harness", "lab.ready")
        ending = asyncio.create_task(one.end("the run ended"))
        await injector.asked.wait()
        injector.may_act.set()
        await ending
    assert [e.kind for e in recorder.events] == ["lab.ready", "fault.injected", "fault.healed"]


async def test_nothing_is_injected_after_the_end_of_a_run(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    later = Moment(on="lab.ready", after_s=90.0)
    async with running(fault(later, THIRD_DEATH), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        await one.end("the run ended")
        clock.advance(10.0)
        await one.settled()
    assert injector.done == []


SECOND_START = Moment(on="phase.started", attempt=2, phase="database")


async def test_a_heal_may_count_from_the_event_that_caused_the_injection(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    later = Moment(on="phase.started", attempt=2, phase="database", after_s=5.0)
    async with running(fault(SECOND_START, later), injector, recorder) as one:
        phase_started(recorder, 2)
        await one.settled()
        clock.advance(0.24)
        await one.settled()
        assert injector.done == ["inject f Hold"]
        clock.advance(0.02)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_a_heal_may_count_from_an_event_before_a_delayed_injection(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    inject = Moment(on="lab.ready", after_s=10.0)
    heal = Moment(on="phase.started", attempt=2, phase="database", after_s=40.0)
    async with running(fault(inject, heal), injector, recorder) as one:
        recorder.emit("harness", "lab.ready")
        clock.advance(0.3)
        phase_started(recorder, 2)
        clock.advance(0.1)
        exited(recorder, 2)  # both pause: the injection with 2 s to go, the heal with 38 s
        clock.advance(0.4)
        phase_started(recorder, 3)
        clock.advance(1.8)
        await one.settled()
        assert injector.done == ["inject f Hold"]
        clock.advance(0.2)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_a_heal_without_a_delay_waits_for_the_delayed_injection(
    recorder: Recorder, injector: Injections, clock: Clock
) -> None:
    inject = Moment(on="process.exited", after_s=20.0)
    async with running(
        fault(inject, Moment(on="process.exited")), injector, recorder, factor=1
    ) as one:
        exited(recorder, 1)
        clock.advance(21.0)
        await one.settled()
        assert injector.done == ["inject f Hold"]
        exited(recorder, 2)
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]


async def test_a_death_during_the_injection_heals_it_afterwards(
    recorder: Recorder, injector: Injections
) -> None:
    async with running(fault(READY, THIRD_DEATH), injector, recorder) as one:
        injector.may_act.clear()
        recorder.emit("harness", "lab.ready")
        await injector.asked.wait()
        exited(recorder, 3)
        injector.may_act.set()
        await one.settled()
    assert injector.done == ["inject f Hold", "heal f"]

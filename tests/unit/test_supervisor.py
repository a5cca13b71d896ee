"""The loop that restarts a process, with processes that end when they are told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from crashloop.clock import TimeScale
from crashloop.supervisor.loop import Supervisor
from crashloop.supervisor.policy import parse_policy
from crashloop.trace.event import SCHEMA, Event
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Life:
    """A process that exits at once with a status, as itself saying that it waited before."""

    pid = 1

    def __init__(self, recorder: Recorder, attempt: int, waited_s: object) -> None:
        self._recorder = recorder
        self._attempt = attempt
        self._waited_s = waited_s

    async def wait(self) -> int:
        data = {"phase": "database", "duration_s": self._waited_s}
        self._recorder.emit("app", "phase.failed", data, attempt=self._attempt)
        return 3

    async def stop(self) -> None:
        raise AssertionError("nobody stops it")


class Server:
    """A process that runs until it is stopped."""

    pid = 2

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    async def wait(self) -> int:
        await self.stopped.wait()
        return -15

    async def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    redactor = Redactor()
    with TraceWriter(tmp_path / "trace.jsonl", {"schema": SCHEMA}, redactor) as writer:
        yield Recorder(writer, redactor)


async def lives(recorder: Recorder, *, policy: str, factor: float, waited_s: object) -> list[Event]:
    async def start(attempt: int) -> Life:
        return Life(recorder, attempt, waited_s)

    await Supervisor(
        policy=parse_policy(policy),
        scale=TimeScale(factor=factor),
        recorder=recorder,
        start=start,
    ).run()
    return recorder.events


async def test_every_death_is_restarted_until_the_policy_gives_up(recorder: Recorder) -> None:
    events = await lives(recorder, policy="on-failure:2", factor=1000, waited_s=0)

    kinds = [event.kind for event in events if event.source == "supervisor"]
    once = ["process.started", "process.exited"]
    assert kinds == [
        *once,
        "restart.scheduled",
        *once,
        "restart.scheduled",
        *once,
        "restart.gave_up",
    ]
    assert [e.data["exit_code"] for e in events if e.kind == "process.exited"] == [3, 3, 3]


async def test_real_work_does_not_count_as_the_incidents_own_time(recorder: Recorder) -> None:
    events = await lives(recorder, policy="on-failure:2", factor=1000, waited_s=0)

    for exited in (e for e in events if e.kind == "process.exited"):
        assert exited.data["run_incident_s"] < 1, "a life without any wait is as short as it was"
    backoffs = [e.data["backoff_s"] for e in events if e.kind == "restart.scheduled"]
    assert backoffs == [0.1, 0.2]


async def test_an_app_cannot_claim_to_have_waited_longer_than_it_lived(recorder: Recorder) -> None:
    events = await lives(recorder, policy="on-failure:1", factor=20, waited_s=1e9)

    exited = next(e for e in events if e.kind == "process.exited")
    assert exited.data["run_incident_s"] <= exited.data["run_s"] * 20 + 0.001


@pytest.mark.parametrize("waited_s", ["long", [1], {}, True, -1, float("nan")])
async def test_a_duration_that_cannot_be_read_counts_as_no_wait(
    recorder: Recorder, waited_s: object
) -> None:
    events = await lives(recorder, policy="on-failure:1", factor=1000, waited_s=waited_s)

    exited = next(e for e in events if e.kind == "process.exited")
    assert exited.data["run_incident_s"] < 1


async def test_a_stop_during_a_start_ends_the_attempt_once_it_runs(recorder: Recorder) -> None:
    starting, may_run = asyncio.Event(), asyncio.Event()

    async def start(attempt: int) -> Server:
        assert attempt == 1
        starting.set()
        await may_run.wait()
        return Server()

    supervisor = Supervisor(
        policy=parse_policy("always"), scale=TimeScale(), recorder=recorder, start=start
    )
    running = asyncio.create_task(supervisor.run())
    await starting.wait()
    await supervisor.stop()
    may_run.set()
    async with asyncio.timeout(5):
        await running

    assert [event.kind for event in recorder.events] == ["process.started", "process.exited"]
    assert recorder.events[-1].data["signal"] == "SIGTERM"
    assert recorder.events[-1].data["requested"] is True


async def test_a_stop_before_the_first_start_starts_nothing(recorder: Recorder) -> None:
    async def start(attempt: int) -> Server:
        raise AssertionError(attempt)

    supervisor = Supervisor(
        policy=parse_policy("always"), scale=TimeScale(), recorder=recorder, start=start
    )
    await supervisor.stop()
    await supervisor.run()

    assert recorder.events == []

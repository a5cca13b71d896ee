"""The loop that restarts a process, with processes that end when they are told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import TimeScale
from crashloop.supervisor.loop import Supervisor
from crashloop.supervisor.policy import parse_policy
from crashloop.trace.event import SCHEMA, Event
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from pathlib import Path


class Life:
    """A process that exits at once with a status, as itself saying that it waited before."""

    pid = 1

    def __init__(self, recorder: Recorder, attempt: int, waited_s: float) -> None:
        self._recorder = recorder
        self._attempt = attempt
        self._waited_s = waited_s

    async def wait(self) -> int:
        data = {"phase": "database", "duration_s": self._waited_s}
        self._recorder.emit("app", "phase.failed", data, attempt=self._attempt)
        return 3

    async def stop(self) -> None:
        raise AssertionError("nobody stops it")


async def lives(tmp_path: Path, *, policy: str, factor: float, waited_s: float) -> list[Event]:
    redactor = Redactor()
    with TraceWriter(tmp_path / "trace.jsonl", {"schema": SCHEMA}, redactor) as writer:
        recorder = Recorder(writer, redactor)

        async def start(attempt: int) -> Life:
            return Life(recorder, attempt, waited_s)

        await Supervisor(
            policy=parse_policy(policy),
            scale=TimeScale(factor=factor),
            recorder=recorder,
            start=start,
        ).run()
    return recorder.events


async def test_every_death_is_restarted_until_the_policy_gives_up(tmp_path: Path) -> None:
    events = await lives(tmp_path, policy="on-failure:2", factor=1000, waited_s=0)

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


async def test_real_work_does_not_count_as_the_incidents_own_time(tmp_path: Path) -> None:
    events = await lives(tmp_path, policy="on-failure:2", factor=1000, waited_s=0)

    for exited in (e for e in events if e.kind == "process.exited"):
        assert exited.data["run_incident_s"] < 1, "a life without any wait is as short as it was"
    backoffs = [e.data["backoff_s"] for e in events if e.kind == "restart.scheduled"]
    assert backoffs == [0.1, 0.2]


async def test_an_app_cannot_claim_to_have_waited_longer_than_it_lived(tmp_path: Path) -> None:
    events = await lives(tmp_path, policy="on-failure:1", factor=20, waited_s=1e9)

    exited = next(e for e in events if e.kind == "process.exited")
    assert exited.data["run_incident_s"] <= exited.data["run_s"] * 20 + 0.001

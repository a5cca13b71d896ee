"""The loop that restarts a process, with processes that end when they are told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from docker_cases import recorder

from crashloop.clock import TimeScale
from crashloop.supervisor.loop import Supervisor
from crashloop.supervisor.policy import parse_policy

if TYPE_CHECKING:
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder


class Life:
    """A process that exits at once with a status, and claims to have waited before."""

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


async def lives(*, policy: str, factor: float, waited_s: float) -> list[Event]:
    """What is recorded of processes that die until the policy gives up."""
    events = recorder()

    async def start(attempt: int) -> Life:
        return Life(events, attempt, waited_s)

    await Supervisor(
        policy=parse_policy(policy), scale=TimeScale(factor=factor), recorder=events, start=start
    ).run()
    return events.events


async def test_every_death_is_restarted_until_the_policy_gives_up() -> None:
    events = await lives(policy="on-failure:2", factor=1000, waited_s=0)

    kinds = [event.kind for event in events if event.source == "supervisor"]
    life = ["process.started", "process.exited"]
    again = [*life, "restart.scheduled"]
    assert kinds == [*again, *again, *life, "restart.gave_up"]
    deaths = [event.data for event in events if event.kind == "process.exited"]
    assert [death["exit_code"] for death in deaths] == [3, 3, 3]
    # Real work does not count as the incident's own time: a life without any wait is short.
    assert max(death["run_incident_s"] for death in deaths) < 1
    backoffs = [e.data["backoff_s"] for e in events if e.kind == "restart.scheduled"]
    assert backoffs == [0.1, 0.2]


async def test_an_app_cannot_claim_to_have_waited_longer_than_it_lived() -> None:
    events = await lives(policy="on-failure:1", factor=20, waited_s=1e9)

    exited = next(e for e in events if e.kind == "process.exited")
    assert exited.data["run_incident_s"] <= exited.data["run_s"] * 20 + 0.001


async def test_a_stop_during_a_start_ends_the_attempt_once_it_runs() -> None:
    events = recorder()
    starting, may_run = asyncio.Event(), asyncio.Event()

    async def start(attempt: int) -> Server:
        assert attempt == 1
        starting.set()
        await may_run.wait()
        return Server()

    supervisor = Supervisor(
        policy=parse_policy("always"), scale=TimeScale(), recorder=events, start=start
    )
    running = asyncio.create_task(supervisor.run())
    await starting.wait()
    await supervisor.stop()
    may_run.set()
    async with asyncio.timeout(5):
        await running

    assert [event.kind for event in events.events] == ["process.started", "process.exited"]
    assert events.events[-1].data["signal"] == "SIGTERM"
    assert events.events[-1].data["requested"] is True


async def test_a_stop_before_the_first_start_starts_nothing() -> None:
    async def start(attempt: int) -> Server:
        raise AssertionError(attempt)

    events = recorder()
    supervisor = Supervisor(
        policy=parse_policy("always"), scale=TimeScale(), recorder=events, start=start
    )
    await supervisor.stop()
    await supervisor.run()

    assert events.events == []

"""How long a life waited, by its log and its connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from memory_recorder import recorder
from supervised import AppLife, Run

from crashloop.clock import TimeScale
from crashloop.model import Life
from crashloop.supervisor.waits import Waits

NS_PER_S = 1_000_000_000
LIFE = Life(2, 1)
DATABASE = {"phase": "database"}
CACHE = {"phase": "cache"}

Said = tuple[float, str, dict[str, Any]]


def waited_s(*said: Said, run_s: float = 10.0, life: Life = LIFE) -> float:
    """What a life waited that ended after `run_s`, by its lines at these seconds of it."""
    events, waits = recorder(), Waits(LIFE)
    events.subscribe(waits.event)
    for at_s, kind, data in said:
        source = "proxy" if kind.startswith("link.") else "app"
        events.emit(source, kind, data, life=life, mono_ns=round(at_s * NS_PER_S))
    return waits.waited_s(run_s=run_s, exited_ns=round(run_s * NS_PER_S))


def started(at_s: float, data: dict[str, Any]) -> Said:
    return at_s, "phase.started", data


def failed(at_s: float, data: dict[str, Any], *, after_s: Any) -> Said:
    return at_s, "phase.failed", {**data, "duration_s": after_s}


def completed(at_s: float, data: dict[str, Any]) -> Said:
    return at_s, "phase.completed", {**data, "duration_s": 1.0}


def test_a_failed_phase_waited_and_the_work_around_it_did_not() -> None:
    said = [started(2, DATABASE), failed(9, DATABASE, after_s=7.0)]
    assert waited_s(*said) == pytest.approx(7.0)


def test_a_phase_that_still_ran_when_the_life_ended_waited() -> None:
    assert waited_s(started(2, DATABASE)) == pytest.approx(8.0)


def test_a_completed_phase_is_work() -> None:
    said = [
        started(0, DATABASE), completed(4, DATABASE), started(4, CACHE), failed(9, CACHE, after_s=5)
    ]  # fmt: skip
    assert waited_s(*said) == pytest.approx(5.0)


def test_failed_phases_and_the_one_that_still_ran_add_up() -> None:
    said = [
        started(0, DATABASE),
        (3.0, "phase.degraded", {**DATABASE, "duration_s": 3.0}),
        started(6, CACHE),
    ]
    assert waited_s(*said) == pytest.approx(7.0)


def test_the_time_that_an_app_served_is_the_incidents() -> None:
    said = [started(0, DATABASE), completed(1, DATABASE), (1, "startup.completed", {})]
    assert waited_s(*said) == pytest.approx(9.0)


def test_a_life_that_logs_no_phases_waits_from_its_first_connection_on() -> None:
    said: list[Said] = [(4, "link.accepted", {}), (6, "link.connected", {})]
    assert waited_s(*said) == pytest.approx(6.0)
    assert waited_s(*said, started(3, DATABASE), completed(9, DATABASE)) == 0


def test_the_lines_of_another_life_do_not_count() -> None:
    for other in (Life(1, 1), Life(2, 2)):
        assert waited_s(started(2, DATABASE), life=other) == 0


@pytest.mark.parametrize("claimed_s", [1e9, 1e8, float("inf"), -5.0, "long", None])
def test_a_life_cannot_claim_to_have_waited_longer_than_it_ran(claimed_s: Any) -> None:
    said = [started(2, DATABASE), failed(9, DATABASE, after_s=claimed_s)]
    assert 0 <= waited_s(*said) <= 10.0


async def test_what_a_life_waited_is_scaled_back_and_resets_dockers_backoff() -> None:
    class Waited(AppLife):
        """Says after 20 ms, which are 20 s of the incident, that it waited as long, and dies."""

        async def wait(self) -> int:
            await asyncio.sleep(0.02)
            data = {"phase": "database", "duration_s": 0.02}
            run.recorder.emit("app", "phase.failed", data, life=self.life)
            return 3

    async def start(_: Run, life: Life) -> AppLife:
        return Waited(life)

    run = Run(start, platform="on-failure:2", scale=TimeScale(factor=1000))
    async with asyncio.timeout(5):
        await run.supervisor.run()
    assert all(20 <= e.data["run_incident_s"] < 25 for e in run.of("process.exited"))
    assert [e.data["backoff_s"] for e in run.of("restart.scheduled")] == [0.1, 0.1]

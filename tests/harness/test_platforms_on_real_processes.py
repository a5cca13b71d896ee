"""Real processes that die 20 s after each start, restarted by every platform at once, scaled."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from platform_table import DEATHS_IN_TEN_MINUTES, TEN_MINUTES_S, WITHOUT_SCHEDULE, starts_s
from supervised import RealLife, Run

from crashloop.clock import NS_PER_S, TimeScale
from crashloop.platforms import longest_backoff_s, parse_platform

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.testing import Lab

pytestmark = pytest.mark.slow

LIFE_S = 20.0
SCALE = TimeScale()
WITH_SCHEDULE = (
    *DEATHS_IN_TEN_MINUTES,
    "kubernetes:kep-4603",
    "kubernetes:max=5",
    "systemd:RestartSec=1:RestartSteps=4:RestartMaxDelaySec=16",
)
SHORTEST_PAUSE_S = 5.0
# How far a start or a gap may be off: a tenth, or 50 ms here.
OFF, OFF_S = 0.10, 0.05


async def dies_after_20_s(run: Run, life: Life) -> RealLife:
    """A shell that waits in a phase, as an app that hangs does, and exits with 3."""
    stub = f"echo 0; sleep {SCALE.wall_s(LIFE_S)}; exit 3"
    started = await RealLife.of(life, "/bin/sh", "-c", stub)
    run.recorder.emit("app", "phase.started", {"phase": "database"}, life=life)
    return started


async def for_ten_minutes(run: Run) -> None:
    """Ten minutes of the incident, or until the platform has given up."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run.supervisor.run())
        await asyncio.wait([running], timeout=SCALE.wall_s(TEN_MINUTES_S))
        await run.supervisor.stop()


async def test_real_processes_start_when_the_table_says_on_every_platform() -> None:
    runs = {
        name: Run(dies_after_20_s, platform=name, scale=SCALE)
        for name in (*WITH_SCHEDULE, *WITHOUT_SCHEDULE)
    }
    async with asyncio.TaskGroup() as group:
        for run in runs.values():
            group.create_task(for_ten_minutes(run))

    for name in WITH_SCHEDULE:
        at_s, drawn = started_s(runs[name]), name == "nomad"
        table = starts_s(
            name, life_s=LIFE_S, within_s=TEN_MINUTES_S, draws=itertools.repeat(0.5 * drawn)
        )
        # A start that is due as the ten minutes end may come a moment after them.
        assert len(at_s) in {len(table), len(table) - (table[-1] + LIFE_S > TEN_MINUTES_S * 0.95)}
        slack_s = SCALE.wall_s(15.0 * 0.25 / 2) * drawn
        for number, (seen_s, incident_s) in enumerate(zip(at_s, table, strict=False), start=1):
            due_s = SCALE.wall_s(incident_s)
            allowed_s = max(OFF * due_s, OFF_S) + slack_s * (number - 1)
            assert abs(seen_s - due_s) <= allowed_s, f"{name}: start {number}"
    for name in WITHOUT_SCHEDULE:
        assert_within_its_bounds(name, runs[name])
    assert runs["nomad"].of("restart.gave_up")


def started_s(run: Run) -> list[float]:
    """When each life was started, in wall seconds after the first."""
    times = [event.mono_ns for event in run.of("process.started")]
    return [(each - times[0]) / NS_PER_S for each in times]


def assert_within_its_bounds(name: str, run: Run) -> None:
    """Every pause is within the platform's stated range, and not all are the same."""
    pauses_s = [event.data["backoff_s"] for event in run.of("restart.scheduled")]
    assert len(pauses_s) >= 6
    assert SHORTEST_PAUSE_S <= min(pauses_s) < max(pauses_s)
    assert max(pauses_s) <= longest_backoff_s(parse_platform(name))


@pytest.mark.parametrize("name", [*WITH_SCHEDULE, *WITHOUT_SCHEDULE])
async def test_the_sample_app_starts_again_as_long_after_its_exit_as_the_platform_says(
    name: str, lab: Lab
) -> None:
    run = await lab.run("issue-1278", platform=name)

    died_and_started = run.events("process.exited"), run.events("process.started")[1:]
    scheduled = run.events("restart.scheduled")
    assert len(scheduled) >= 2
    for restart, died, started in zip(scheduled, *died_and_started, strict=False):
        due_s = restart.data["wall_s"]
        held_s = started.data.get("held_s", 0.0)  # by the heal that the death has caused
        seen_s = (started.mono_ns - died.mono_ns) / NS_PER_S - held_s
        assert due_s == pytest.approx(restart.data["backoff_s"] / run.trace.header["time_scale"])
        assert abs(seen_s - due_s) <= max(OFF * due_s, OFF_S)

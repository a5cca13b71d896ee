"""The loop oracle on real runs of small apps that fail at start-up, and of some that do not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from stub_apps import (
    CRASHES_AFTER_READY,
    EXITS_0,
    EXITS_3,
    PARENT_LIVES_ON,
    STARTS_WHEN_CONNECTED,
    held,
    scenario_of,
)

from crashloop.clock import TimeScale
from crashloop.lab import run_scenario
from crashloop.loops import loops_of
from crashloop.model import Pattern
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import ReplicaLoop, Scenario


async def loop_of(scenario: Scenario, folder: Path, *, scale: float = 20.0) -> ReplicaLoop:
    scales = TimeScale(factor=scale)
    options = RunOptions(artifacts=folder / "run", seed=7, scale=scales, patience_s=0.5)
    run = await run_scenario(scenario, options)
    (found,) = loops_of(run.trace)
    json.dumps(found.to_json(), allow_nan=False)
    assert set(found.evidence) <= {event.seq for event in run.trace.events}
    return found


async def test_an_app_that_exits_0_at_start_is_silent_where_the_platform_accepts_it(
    tmp_path: Path,
) -> None:
    scenario = scenario_of(EXITS_0, platform="docker:on-failure:6", deadline_s=100)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.starts, found.looped) == (Pattern.SILENT_EXIT, 1, False)


@pytest.mark.slow
async def test_an_app_that_exits_0_at_start_loops_where_the_platform_restarts_it(
    tmp_path: Path,
) -> None:
    scenario = scenario_of(EXITS_0, platform="docker:always", deadline_s=30)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.was_reset) == (Pattern.RESTART_LOOP, False)
    assert found.starts > 3
    assert list(found.cycles_s) == sorted(found.cycles_s), "Docker doubles its back-off"


async def test_a_loop_ends_when_the_platform_gives_up(tmp_path: Path) -> None:
    scenario = scenario_of(EXITS_3, platform="docker:on-failure:6", deadline_s=400)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.looped, found.starts) == (Pattern.GAVE_UP, True, 7)
    backoffs_s = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    ran_s = [a - b for a, b in zip(found.cycles_s, backoffs_s, strict=True)]
    assert all(0.0 < each < 1.0 for each in ran_s), "a start is real work, and short"


@pytest.mark.slow
async def test_a_parent_that_lives_with_nothing_listening_is_silent(tmp_path: Path) -> None:
    scenario = scenario_of(PARENT_LIVES_ON, platform="docker:always", deadline_s=100)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.starts, found.deaths) == (Pattern.SILENT_ALIVE, 1, 0)


@pytest.mark.slow
async def test_an_app_that_dies_after_it_was_ready_is_no_restart_loop(tmp_path: Path) -> None:
    scenario = scenario_of(CRASHES_AFTER_READY, platform="docker:always", deadline_s=80)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.looped) == (Pattern.CRASH_AFTER_READY, False)
    assert found.deaths > 1


@pytest.mark.slow
async def test_an_app_that_waits_for_its_database_starts_slowly(tmp_path: Path) -> None:
    fault = held("hold", for_s=40)
    scenario = scenario_of(
        STARTS_WHEN_CONNECTED, fault, platform="docker:on-failure:6", deadline_s=400
    )
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.starts, found.deaths) == (Pattern.SLOW_START, 1, 0)
    assert found.recovery is not None
    assert found.recovery.app_s == pytest.approx(found.recovery.total_s)


async def test_an_app_that_nothing_keeps_waiting_has_started(tmp_path: Path) -> None:
    scenario = scenario_of(STARTS_WHEN_CONNECTED, platform="docker:on-failure:6", deadline_s=400)
    found = await loop_of(scenario, tmp_path)
    assert (found.pattern, found.recovery) == (Pattern.STARTED, None)


@pytest.mark.realtime
async def test_the_kernels_next_syn_is_told_from_the_apps_own_start(tmp_path: Path) -> None:
    # The path is back 1.5 s after the first SYN; the one before that came at 1 s, and the next
    # comes at 2 s (Linux from 6.5 on) or at 3 s after the first.
    fault = held("black_hole", for_s=1.5, since="gate.syn_seen")
    scenario = scenario_of(
        STARTS_WHEN_CONNECTED, fault, platform="docker:on-failure:6", deadline_s=40
    )
    found = await loop_of(scenario, tmp_path, scale=1.0)
    assert found.pattern is Pattern.SLOW_START
    time = found.recovery
    assert time is not None
    assert 0.0 < time.syn_s < 2.5
    assert time.policy_s == time.rest_s == 0.0
    assert time.app_s < 1.0

"""Docker's own restart policies, in real time, compared with the local engine's model.

Eight lives end at once, refused by the database, so that the back-off doubles from 0.1 to 12.8 s.
The ninth waits for its limit of 12 s, longer than the 10 s after which Docker resets the back-off;
the tenth serves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from restart_gaps import overhead_s, restart_gaps, unlike_the_model
from tool_cache import cache_folder, locked

from crashloop.clock import TimeScale
from crashloop.engines.local import LocalEngine
from crashloop.faults import plan
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Moment, Scenario, Trigger
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crashloop.engines.base import Engine
    from crashloop.trace.event import Trace

SHORT_LIVES = 8
LONG_LIFE_S = 12
BACKOFFS_S = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 0.1]
DEADLINE_S = 240.0
SEED = 1278
POLICIES = ("on-failure:20", "always", "unless-stopped")
LIVES = [(3, "database")] * (SHORT_LIVES + 1) + [(None, "finalize")]

TEST_BOUND_S = 600
TRIES = 3


@pytest.fixture
def alone() -> Iterator[None]:
    """No other of these tests runs: their restarts would come at the same instants."""
    folder = cache_folder("restart-policies")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder, 3 * TEST_BOUND_S):
        yield


@pytest.mark.realtime
@pytest.mark.timeout(TEST_BOUND_S)
@pytest.mark.parametrize("policy", POLICIES)
async def test_the_local_engine_restarts_when_the_model_says(policy: str, tmp_path: Path) -> None:
    scenario = dying_young_then_old(policy)

    trace = await run(scenario, LocalEngine, tmp_path / "run")

    gaps = restart_gaps(trace, scenario.platform)
    assert [gap.backoff_s for gap in gaps] == pytest.approx(BACKOFFS_S)
    assert unlike_the_model(gaps, overhead_s=0.0) == []
    assert lives_of(trace) == LIVES


@pytest.mark.docker
@pytest.mark.realtime
@pytest.mark.timeout(TEST_BOUND_S, func_only=True)
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("policy", POLICIES)
async def test_docker_restarts_when_the_model_says_and_the_app_behaves_the_same(
    policy: str,
    docker_engine: type[Engine],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    scenario = dying_young_then_old(policy)
    for number in range(TRIES):  # a busy machine delays a restart; another rule is wrong every time
        trace = await run(scenario, docker_engine, tmp_path / f"run-{number}")
        gaps = restart_gaps(trace, scenario.platform)
        measured_s = overhead_s(gaps)
        wrong = unlike_the_model(gaps, overhead_s=measured_s)
        if not wrong:
            break

    record_property("docker_overhead_s", round(measured_s, 3))
    print(f"{policy}: Docker's own part of a restart is {measured_s:.3f} s")  # noqa: T201
    for gap in gaps:
        print(f"  back-off {gap.backoff_s:g} s: {gap}")  # noqa: T201
    assert wrong == []
    assert [gap.backoff_s for gap in gaps] == pytest.approx(BACKOFFS_S)
    counts = [event.data["restart_count"] for event in trace.of("process.started")]
    assert counts == list(range(SHORT_LIVES + 2))
    assert lives_of(trace) == LIVES


def dying_young_then_old(policy: str) -> Scenario:
    """The incident, its database refusing at first, then silent for one life."""
    scenario = incident("issue-1278").scenario(limit_s=LONG_LIFE_S, platform=policy)
    (silent,) = scenario.faults
    young, old = (after_attempt(number) for number in (SHORT_LIVES, SHORT_LIVES + 1))
    refusing = plan(
        name="database-refuses",
        target="postgres",
        kind="refuse",
        inject=silent.inject,
        heal=young,
    )
    faults = (refusing, replace(silent, name="database-silent", inject=young, heal=old))
    return replace(scenario, faults=faults, deadline_s=DEADLINE_S)


def after_attempt(number: int) -> Trigger:
    return Trigger(first_of=(Moment(on="process.exited", where={"attempt": number}),))


async def run(scenario: Scenario, engine: type[Engine], artifacts: Path) -> Trace:
    options = RunOptions(scale=TimeScale(factor=1), seed=SEED, artifacts=artifacts, engine=engine)
    done = await run_scenario(scenario, options)
    assert not done.trace.of("harness.failed"), done.judgement.reason
    return done.trace


def lives_of(trace: Trace) -> list[tuple[int | None, Any]]:
    """Each life's exit code, None for the one that was stopped, and its last phase."""
    codes = {
        event.attempt: event.data["exit_code"]
        for event in trace.of("process.exited")
        if not event.data["requested"]
    }
    kinds = ("phase.started", "phase.completed", "phase.failed", "phase.degraded")
    last = {event.attempt: event.data["phase"] for event in trace.of(*kinds)}
    return [(codes.get(attempt), last.get(attempt)) for _, attempt in trace.lives()]

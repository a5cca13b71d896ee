"""Broken apps and parts of the harness under the other outages of the library, made short.

Each check that issue 1278 does not use has a mutant here that trips it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mutant_runs import caught, healed_when_each_died, options, reproduced, scenario_with, unmet
from mutants import harness_parts

from crashloop.faults import plan
from crashloop.model import Replicas, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Scenario

PROBE_SCALE = 10.0
SLOTS_SCALE = 5.0


def killed_by_a_probe(app: str = "", *, retry_s: float = 600.0) -> Scenario:
    """The app retries for longer than a start-up probe of 60 s waits; one kill."""
    return scenario_with(
        app, "retry-longer-than-the-probe", deaths=1, probe_s=60.0, retry_s=retry_s
    )


def out_of_slots(app: str = "") -> Scenario:
    """The old instance and two new ones want 84 connections of 77; two deaths."""
    return scenario_with(
        app, "slots-exhausted-at-scale-out", deaths=2, replicas=2, max_connections=80
    )


def loading(app: str = "") -> Scenario:
    """The cache loads until the app has died once; a mutant may open another URL of it."""
    scenario = scenario_with(app, "cache-still-loading", deaths=1)
    env = {**scenario.app.env, "MUTANT_CACHE_URL": "redis://{redis.host}:{redis.port}/0"}
    return replace(scenario, app=replace(scenario.app, env=env))


def taken(scenario: Scenario, *, left: int) -> Scenario:
    """No old revision; sessions that nobody uses take the slots, but so many."""
    (fault,) = scenario.faults
    idle = plan(
        name="idle-sessions",
        target="postgres",
        kind="slots_taken",
        params={"left": left},
        inject=fault.inject,
        heal=fault.heal,
    )
    return replace(scenario, faults=(idle,), replicas=Replicas(count=2))


KILLED: dict[str, tuple[Verdict, str, str]] = {
    "exits_0_at_sigterm": (
        Verdict.NOT_REPRODUCED,
        "killed_by_probe",
        "was killed for its start-up probe, yet ended with exit 0",
    ),
    "fails_and_stays": (
        Verdict.NOT_REPRODUCED,
        "killed_by_probe",
        "attempt 1 had failed in phase database before it was killed",
    ),
    "hangs_after_the_database": (
        Verdict.NOT_REPRODUCED,
        "phase_running_at_death",
        "phase database of attempt 1 had completed before it died",
    ),
    "hangs_before_the_database": (
        Verdict.INCONCLUSIVE,
        "phase_running_at_death",
        "attempt 1 died before phase database began",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("app", KILLED)
async def test_an_app_that_its_probe_kills_for_another_reason_is_caught(
    app: str, tmp_path: Path
) -> None:
    retry_s = 0.0 if app == "fails_and_stays" else 600.0
    scenario = killed_by_a_probe(app, retry_s=retry_s)
    await caught(scenario, options(tmp_path, scale=PROBE_SCALE), *KILLED[app])


@pytest.mark.slow
async def test_an_app_that_gives_up_before_its_probe_does_is_caught(tmp_path: Path) -> None:
    run = await caught(
        killed_by_a_probe(retry_s=10.0),
        options(tmp_path, scale=PROBE_SCALE),
        Verdict.NOT_REPRODUCED,
        "killed_by_probe",
        "attempt 1 ended with exit 3, and no start-up probe killed it",
    )
    assert unmet(run) == {"killed_by_probe", "phase_running_at_death", "exit_code"}


@pytest.mark.slow
async def test_a_platform_that_kills_although_no_probe_has_failed_is_caught(tmp_path: Path) -> None:
    impatient = harness_parts.engine_under(prober=harness_parts.ImpatientProber)
    run = await caught(
        killed_by_a_probe(),
        replace(options(tmp_path, scale=PROBE_SCALE), engine=impatient),
        Verdict.INCONCLUSIVE,
        "killed_by_probe",
        "was killed for its start-up probe, which is not recorded to have failed",
    )
    assert unmet(run) == {"killed_by_probe"}


@pytest.mark.slow
async def test_a_sound_app_that_its_probe_kills_is_reproduced(tmp_path: Path) -> None:
    await reproduced(killed_by_a_probe(), options(tmp_path, scale=PROBE_SCALE))


@pytest.mark.slow
async def test_an_app_that_waits_after_it_was_refused_a_slot_is_caught(tmp_path: Path) -> None:
    one_gets_its_pool = taken(out_of_slots("waits_after_a_refusal"), left=30)
    staggered = Replicas(count=2, stagger_s=20.0)
    run = await caught(
        replace(one_gets_its_pool, replicas=staggered),
        options(tmp_path, scale=SLOTS_SCALE),
        Verdict.NOT_REPRODUCED,
        "fails_at_once",
        "of its limit, over 25%: it did not fail at once",
    )
    assert unmet(run) == {"fails_at_once", "old_revision_held"}  # which is not there


@pytest.mark.slow
async def test_slots_that_no_replica_gets_are_not_an_outage_of_some(tmp_path: Path) -> None:
    run = await caught(
        healed_when_each_died(taken(out_of_slots(), left=0), 2),
        options(tmp_path, scale=SLOTS_SCALE),
        Verdict.NOT_REPRODUCED,
        "a_replica_served",
        "no other replica was ready while replica 1, 2 looped",
    )
    assert unmet(run) == {"a_replica_served", "old_revision_held"}  # which is not there


@pytest.mark.slow
async def test_sound_apps_that_run_out_of_slots_are_reproduced(tmp_path: Path) -> None:
    await reproduced(out_of_slots(), options(tmp_path, scale=SLOTS_SCALE))


@pytest.mark.slow
async def test_an_app_that_opens_its_cache_around_the_proxy_is_caught(tmp_path: Path) -> None:
    run = await caught(
        loading("goes_around_to_the_cache"),
        replace(options(tmp_path), engine=harness_parts.TalkativeEngine),
        Verdict.INCONCLUSIVE,
        "path_used",
        "attempt 1 reached phase cache but never the proxy of redis in it",
    )
    # What the proxy has not seen cannot show that the fault touched the app, either.
    receipts = {"faults_have_receipts", "receipts_not_contradicted"}
    assert unmet(run) == {"path_used", *receipts}


@pytest.mark.slow
async def test_a_sound_app_whose_cache_loads_is_reproduced(tmp_path: Path) -> None:
    talkative = replace(options(tmp_path), engine=harness_parts.TalkativeEngine)
    await reproduced(loading(), talkative)

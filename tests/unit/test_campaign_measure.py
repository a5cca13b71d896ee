"""What one trial shows, from its trace."""

import gzip
import json
from pathlib import Path

import pytest
from crashloop_edits import changed, inserted, moved, with_scenario, without
from crashloop_traces import REPRODUCTION, control, reproduction

from crashloop.campaign.measure import Measured, measured
from crashloop.model import Verdict
from crashloop.trace.event import Trace
from crashloop.trace.reader import parse_trace

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"


def recorded(name: str) -> Trace:
    return parse_trace(gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes()))


@pytest.mark.parametrize("trace", [REPRODUCTION, recorded("reproduction")], ids=["made", "real"])
def test_three_deaths_and_a_recovery_are_a_loop_with_one_start_of_four(trace: Trace) -> None:
    trial = measured(trace)
    assert trial.verdict is Verdict.REPRODUCED
    assert trial.counts
    assert (trial.lives_ready, trial.lives_started) == (1, 4)
    assert (trial.phase_failed, trial.phase_entered) == (3, 4)
    assert trial.loop
    assert trial.golden_path == (1, 1)
    assert trial.recovery_s[0] == pytest.approx(0.7, abs=0.1)


def test_an_app_without_a_journey_has_no_golden_path() -> None:
    app = {**REPRODUCTION.scenario["app"], "journey": {"steps": []}}
    assert measured(with_scenario(REPRODUCTION, app=app)).golden_path == (0, 0)


def test_every_replica_is_measured() -> None:
    trial = measured(reproduction(replicas=3))
    assert (trial.lives_ready, trial.lives_started) == (3, 12)
    assert trial.golden_path == (3, 3)
    assert len(trial.recovery_s) == 3


@pytest.mark.parametrize("trace", [control(), recorded("control")], ids=["made", "real"])
def test_a_start_without_a_fault_is_a_success_that_had_nothing_to_recover_from(
    trace: Trace,
) -> None:
    trial = measured(trace)
    assert (trial.lives_ready, trial.lives_started, trial.phase_failed) == (1, 1, 0)
    assert not trial.loop
    assert trial.recovery_s == (0.0,)


def test_without_a_fault_a_replica_that_is_not_ready_has_no_recovery() -> None:
    assert measured(without(control(), "ready.answered")).recovery_s == (None,)


def test_a_degraded_start_is_a_success_that_recovers_later() -> None:
    trial = measured(recorded("remedy"))
    assert (trial.lives_ready, trial.lives_started, trial.phase_failed) == (1, 1, 0)
    assert not trial.loop
    recovery_s = trial.recovery_s[0]
    assert recovery_s is not None
    assert recovery_s > 1


def test_a_trial_that_shows_nothing_says_why_and_does_not_count() -> None:
    for trace in (recorded("unplugged"), without(REPRODUCTION, "run.finished")):
        trial = measured(trace)
        assert trial.verdict is Verdict.INCONCLUSIVE
        assert trial.inconclusive
        assert not trial.counts


def test_a_trial_is_read_back_as_it_was_written() -> None:
    trial = measured(reproduction(replicas=2), path="folder/trace.jsonl")
    assert Measured.from_json(json.loads(json.dumps(trial.to_json()))) == trial


def test_the_peak_of_connections_is_what_the_database_said_and_not_the_app() -> None:
    assert measured(REPRODUCTION).connections_peak is None
    last = REPRODUCTION.events[-2]
    kind = "database.sessions_peak"
    said = inserted(REPRODUCTION, last, "database", kind, target="postgres", count=7)
    assert measured(said).connections_peak == 7
    forged = inserted(REPRODUCTION, last, "app", kind, attempt=1, target="postgres", count=99)
    assert measured(forged).connections_peak is None


def test_a_life_that_hangs_from_before_the_heal_until_the_end_is_no_success() -> None:
    hangs = without(
        REPRODUCTION, "phase.completed", "startup.completed", "ready.answered", attempt=4
    )
    after_the_heal = measured(hangs)
    assert (after_the_heal.lives_ready, after_the_heal.lives_started) == (0, 3)
    before = measured(moved(hangs, "fault.healed", 30.0))
    assert (before.lives_ready, before.lives_started) == (0, 4)
    assert (before.phase_failed, before.phase_entered) == (4, 4)
    assert before.recovery_s == (None,)


def test_a_trace_that_cannot_be_read_is_a_trial_that_does_not_count() -> None:
    trial = measured(changed(REPRODUCTION, "fault.injected", fault={"no": "name"}))
    assert not trial.counts

"""A whole comparison: its document, and the exit status."""

import json
from dataclasses import replace

import pytest
from comparisons import arm, compared, looped, near, of_issue_1278, served

from crashloop.campaign.comparison import exit_status
from crashloop.campaign.measure import Measured
from crashloop.campaign.tally import Tally
from crashloop.model import Verdict
from crashloop.model.comparison import NO_REMEDY, Arm, Comparison, Met

OUTAGE = arm(NO_REMEDY, [looped()] * 10)
ENDED = arm("retry-jitter", [served()] * 50)
NO_END = arm("limit=25", [looped()] * 10)
OPEN = arm("retry-jitter", [served()] * 17)
RATE = {"k", "n", "rate", "low", "high"}


def test_the_document_has_the_promised_keys() -> None:
    document = json.loads(json.dumps(of_issue_1278().to_json(), allow_nan=False))
    assert set(document) == {
        "incident", "platform", "seed", "time_scale", "criteria", "arms", "trials_per_minute",
        "wall_s",
    }  # fmt: skip
    assert [set(each) for each in document["criteria"]] == [{"name", "op", "value"}] * 5
    for each in document["arms"]:
        assert set(each) == {
            "remedy", "trials", "inconclusive", "success", "phase_failure", "loops", "golden_path",
            "recovery_s", "connections", "criteria",
            "connector", "time_scale", "scale_note", "near_limit", "reproduced", "outage",
        }  # fmt: skip
        assert all(set(each[name]) == RATE for name in ("success", "phase_failure", "loops"))
        assert set(each["recovery_s"]) == {"median", "p90"}
        assert set(each["connections"]) == {"peak"}
        assert [set(c) for c in each["criteria"]] == [{"name", "result", "trials_needed"}] * 5
        names = [criterion["name"] for criterion in document["criteria"]]
        assert [criterion["name"] for criterion in each["criteria"]] == names


def test_a_comparison_is_read_back_as_it_was_written() -> None:
    found = of_issue_1278()
    assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_rates_are_counts_of_lives_trials_and_replicas() -> None:
    assert (OUTAGE.success.k, OUTAGE.success.n) == (20, 140)
    assert (OUTAGE.phase_failure.k, OUTAGE.phase_failure.n) == (120, 140)
    assert (OUTAGE.loops.k, OUTAGE.loops.n) == (10, 10)
    assert (OUTAGE.golden_path.k, OUTAGE.golden_path.n) == (20, 20)
    assert OUTAGE.connections_peak == 4


def test_trials_near_a_limit_are_listed_with_their_numbers_and_not_counted() -> None:
    found = arm("limit=25", [near(looped()) if n in {2, 5} else looped() for n in range(10)])
    assert [each.trial for each in found.near_limit] == [3, 6]
    assert found.near_limit[0].command
    assert (found.trials, found.counted, found.loops.n) == (10, 8, 8)


@pytest.mark.parametrize(
    ("recovery_s", "median", "p90"),
    [
        ([1.0, 2.0, 3.0, 4.0], 2.0, 4.0),
        ([0.0] * 9 + [5.0], 0.0, 0.0),
        ([1.0, 2.0, None], 2.0, None),
        ([1.0, None, None], None, None),
        ([], None, None),
    ],
)
def test_a_replica_that_is_not_back_counts_as_slower_than_all_others(
    recovery_s: list[float | None], median: float | None, p90: float | None
) -> None:
    trials = (
        replace(looped(), recovery_s=tuple(recovery_s[::2])),
        replace(looped(), recovery_s=tuple(recovery_s[1::2])),
    )
    found = Tally(trials=trials).recovery
    assert (found.median, found.p90) == (median, p90)


@pytest.mark.parametrize(
    ("arms", "status"),
    [
        ((OUTAGE, ENDED), 0),
        ((OUTAGE, NO_END, ENDED), 0),
        ((OUTAGE, OPEN, ENDED), 0),
        ((OUTAGE, NO_END), 10),
        ((OUTAGE,), 10),
        ((OUTAGE, NO_END, OPEN), 11),
        ((), 11),
        ((ENDED,), 11),
        ((arm(NO_REMEDY, [looped()] * 9), ENDED), 11),
        ((arm(NO_REMEDY, [served()] * 50), ENDED), 11),
    ],
    ids=[
        "a remedy ends it", "one of two ends it", "one ends it, one is open", "none ends it",
        "no remedy was tried", "undecided", "nothing", "no arm without a remedy",
        "too few trials without a remedy", "no outage without a remedy",
    ],
)  # fmt: skip
def test_the_exit_status_says_whether_a_remedy_ends_the_outage(
    arms: tuple[Arm, ...], status: int
) -> None:
    assert exit_status(compared(*arms)) == status


def test_an_outage_behind_one_connector_says_nothing_about_another() -> None:
    elsewhere = replace(ENDED, connector="e2-micro")
    assert exit_status(compared(OUTAGE, elsewhere)) == 11
    calm = arm(NO_REMEDY, [served()] * 50, connector="e2-micro")
    assert exit_status(compared(OUTAGE, ENDED, calm, elsewhere)) == 0


def test_an_arm_without_a_counted_trial_is_undecided() -> None:
    broken = Measured(verdict=Verdict.HARNESS_ERROR, inconclusive="the harness broke")
    found = arm("limit=60", [broken] * 100)
    assert found.result is Met.NOT_ENOUGH_TRIALS
    assert (found.counted, found.success.n, found.success.rate) == (0, 0, None)

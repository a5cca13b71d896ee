"""What the trials of an arm decide, and how often that is wrong."""

import pytest

from crashloop.campaign.criterion import AUDIT, parse, parse_all
from crashloop.campaign.decision import decide, decide_so_far
from crashloop.campaign.looks import AT, ERROR, LOOKS, looks_until
from crashloop.campaign.measure import Measured
from crashloop.campaign.tally import Tally
from crashloop.errors import UsageError
from crashloop.model import Verdict
from crashloop.model.comparison import Met

CLEAN = Measured(
    verdict=Verdict.NOT_REPRODUCED,
    lives_started=2,
    lives_ready=2,
    phase_entered=2,
    golden_path=(2, 2),
    recovery_s=(0.0, 0.0),
)
LOOPING = Measured(
    verdict=Verdict.REPRODUCED,
    lives_started=14,
    phase_entered=14,
    phase_failed=14,
    loop=True,
    golden_path=(0, 2),
    recovery_s=(20.0, None),
)


def of(*trials: Measured) -> Tally:
    return Tally(trials=trials)


def test_an_arm_without_any_failure_meets_the_audits_criteria_after_50_trials() -> None:
    for trials in (10, 20, 49):
        assert decide_so_far(of(*[CLEAN] * trials), AUDIT, LOOKS).result is not Met.MET
    decision = decide_so_far(of(*[CLEAN] * 60), AUDIT, LOOKS)
    assert decision.result is Met.MET
    assert decision.trials == 50
    assert {each.result for each in decision.results} == {Met.MET}


def test_an_arm_that_always_loops_is_rejected_at_the_first_look() -> None:
    decision = decide_so_far(of(*[LOOPING] * 10), AUDIT, LOOKS)
    assert decision.result is Met.NOT_MET
    assert decision.trials == 10


def test_without_a_counted_trial_nothing_is_decided() -> None:
    broken = Measured(verdict=Verdict.HARNESS_ERROR, inconclusive="the harness broke")
    for tally in (of(), of(*[broken] * 100)):
        decision = decide(tally, AUDIT, LOOKS[-1])
        assert {each.result for each in decision.results} == {Met.NOT_ENOUGH_TRIALS}
        assert {each.trials_needed for each in decide_so_far(tally, AUDIT, LOOKS).results} == {None}


@pytest.mark.parametrize("trials", [1, 5, 10, 30, 50, 100, 250])
def test_the_error_of_all_looks_together_is_at_most_5_percent(trials: int) -> None:
    looks = looks_until(trials)
    assert looks[-1].trials == trials
    assert [each.trials for each in looks[:-1]] == [each for each in AT if each < trials]
    assert sum(each.error for each in looks) <= ERROR + 1e-12


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("success", "no criterion"),
        ("success>", "no criterion"),
        ("success=0.9", "no criterion"),
        ("succes>0.9", "'succes', which is not measured"),
        ("success>high", "'high' in 'success>high' is no number"),
        ("success>95", "does not lie between 0 and 1"),
        ("success>=1", "does not lie between 0 and 1"),
        ("loops<0", "does not lie between 0 and 1"),
        ("loops<-0.1", "does not lie between 0 and 1"),
        ("success>nan", "does not lie between 0 and 1"),
        ("", "no criterion"),
    ],
)
def test_a_criterion_that_cannot_be_read_or_decided_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text)


def test_criteria_are_read_with_or_without_blanks_and_each_once() -> None:
    assert parse_all(["success>0.95", " success > 0.950 ", "loops<=1e-1"]) == (
        parse("success>0.95"),
        parse("loops<=0.1"),
    )
    assert parse_all([]) == AUDIT
    assert tuple(map(parse, map(str, AUDIT))) == AUDIT

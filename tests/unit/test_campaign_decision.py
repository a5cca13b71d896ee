"""What the trials of an arm decide, and how often that is wrong."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trials import WORKS

from crashloop.campaign.criterion import AUDIT, parse, parse_all
from crashloop.campaign.decision import decide_so_far, trials_needed
from crashloop.campaign.interval import lower
from crashloop.campaign.looks import AT, ERROR, LOOKS, looks_until
from crashloop.campaign.measure import Measured
from crashloop.campaign.tally import Tally
from crashloop.errors import UsageError
from crashloop.model import Verdict
from crashloop.model.comparison import Met

CAMPAIGNS = 150
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
        assert decide_so_far(of(*[WORKS] * trials), AUDIT, LOOKS).result is not Met.MET
    decision = decide_so_far(of(*[WORKS] * 60), AUDIT, LOOKS)
    assert decision.result is Met.MET
    assert decision.trials == 50
    assert {each.result for each in decision.results} == {Met.MET}


def test_an_arm_that_always_loops_is_rejected_at_the_first_look() -> None:
    decision = decide_so_far(of(*[LOOPING] * 10), AUDIT, LOOKS)
    assert decision.result is Met.NOT_MET
    assert decision.trials == 10


def test_one_replica_has_half_the_lives_so_a_clean_arm_takes_100_trials() -> None:
    alone = replace(WORKS, lives_started=1, lives_ready=1, phase_entered=1, golden_path=(1, 1))
    decision = decide_so_far(of(*[alone] * 50), AUDIT, LOOKS)
    assert decision.result is Met.NOT_ENOUGH_TRIALS
    assert {each.trials_needed for each in decision.results} == {None, 100}
    assert decide_so_far(of(*[alone] * 100), AUDIT, LOOKS).result is Met.MET


def test_trials_that_do_not_count_decide_nothing() -> None:
    near = replace(LOOPING, near_limit=("phase database of attempt 1 took 98 % of its limit",))
    unknown = replace(LOOPING, verdict=Verdict.INCONCLUSIVE, inconclusive="the run did not finish")
    tally = of(*[WORKS] * 45, near, near, unknown, *[WORKS] * 2)
    decision = decide_so_far(tally, AUDIT, LOOKS)
    assert (decision.result, decision.trials) == (Met.NOT_ENOUGH_TRIALS, 50)
    assert (len(tally.counted), len(tally.inconclusive)) == (47, 1)
    whole = decide_so_far(of(*tally.trials, *[WORKS] * 3), AUDIT, LOOKS)
    assert (whole.result, whole.trials) == (Met.MET, 53)


def test_with_the_last_trial_an_arm_is_looked_at_though_fewer_count() -> None:
    near = replace(WORKS, near_limit=("phase database of attempt 1 took 98 % of its limit",))
    decision = decide_so_far(of(*[WORKS] * 47, *[near] * 3), AUDIT, looks_until(50))
    assert (decision.result, decision.trials) == (Met.MET, 50)
    assert decide_so_far(of(*[near] * 50), AUDIT, looks_until(50)).result is Met.NOT_ENOUGH_TRIALS


def test_a_decision_does_not_depend_on_trials_that_ended_after_it() -> None:
    first = of(*[WORKS] * 50)
    more = of(*[WORKS] * 50, *[LOOPING] * 20)
    assert decide_so_far(first, AUDIT, LOOKS) == decide_so_far(more, AUDIT, LOOKS)


def test_nothing_is_decided_between_two_looks() -> None:
    decision = decide_so_far(of(*[LOOPING] * 9), AUDIT, LOOKS)
    assert decision.result is Met.NOT_ENOUGH_TRIALS
    assert decision.trials == 9
    assert {each.trials_needed for each in decision.results} == {10}


def test_a_criterion_stays_as_it_was_decided() -> None:
    fails_later = of(*[WORKS] * 20, *[replace(WORKS, lives_ready=1)] * 30)
    (result,) = decide_so_far(fails_later, [parse("success>0.75")], LOOKS).results
    assert result.result is Met.MET


def test_an_interrupted_campaign_says_how_many_trials_it_would_take() -> None:
    decision = decide_so_far(of(*[WORKS] * 17), AUDIT, looks_until(40))
    assert decision.trials == 17
    by_criterion = dict(zip(map(str, AUDIT), decision.results, strict=True))
    assert by_criterion["success>0.8"].trials_needed == 20
    assert by_criterion["loops<0.1"].trials_needed == 40
    assert by_criterion["success>0.95"].trials_needed == 55


def test_the_trials_needed_are_what_decides_at_the_observed_rate() -> None:
    def needed(ready: int) -> int | None:
        alone = [replace(WORKS, lives_started=1, lives_ready=int(n < ready)) for n in range(50)]
        return trials_needed(of(*alone), parse("success>0.96"), LOOKS)

    assert needed(48) is None, "no number of trials tells 0.96 from 0.96"
    assert needed(0) == 100, "the next look"
    more = needed(49)
    assert more is not None
    for trials, decides in ((more, True), (more - 1, False)):
        error = looks_until(trials)[-1].error
        size = trials * 49 / 50  # a variance that is estimated
        assert (lower(0.98 * size, size, error) > 0.96) is decides


def test_the_arm_without_a_remedy_must_show_the_outage() -> None:
    def shown(*trials: Measured) -> Met | None:
        return decide_so_far(of(*trials), AUDIT, LOOKS, needs_outage=True).reproduced

    other = replace(LOOPING, verdict=Verdict.NOT_REPRODUCED)
    assert shown(*[LOOPING] * 10) is Met.MET
    assert shown(*[LOOPING] * 9, other) is Met.NOT_ENOUGH_TRIALS
    assert shown(*[LOOPING] * 17, *[other] * 3) is Met.MET
    assert shown(*[other] * 20) is Met.NOT_MET
    assert decide_so_far(of(*[LOOPING] * 10), AUDIT, LOOKS).reproduced is None


@settings(max_examples=30)
@given(st.lists(st.sampled_from([WORKS, LOOPING]), max_size=60), st.integers(1, 60))
def test_an_arm_is_decided_at_a_look_and_by_its_first_trials_only(
    trials: list[Measured], maximum: int
) -> None:
    tally, looks = of(*trials[:maximum]), looks_until(maximum)
    decision = decide_so_far(tally, AUDIT, looks)
    if decision.is_final:
        assert decision.trials in {each.trials for each in looks}
        assert decision == decide_so_far(tally.first(decision.trials), AUDIT, looks)
    else:
        assert decision.trials == len(tally.trials)


def decided(criterion: str, lives: Callable[[random.Random], tuple[int, int]]) -> Counter[Met]:
    """How an arm whose true rate is the criterion's is decided, by the result."""
    rng = random.Random(1278)  # noqa: S311  a simulation
    asked, found = [parse(criterion)], Counter[Met]()
    for _ in range(CAMPAIGNS):
        drawn = [lives(rng) for _ in range(100)]
        tally = of(*(replace(WORKS, lives_ready=k, lives_started=n) for k, n in drawn))
        found[decide_so_far(tally, asked, LOOKS).result] += 1
    return found


def independent(rate: float) -> Callable[[random.Random], tuple[int, int]]:
    return lambda rng: (sum(rng.random() < rate for _ in range(2)), 2)


def alike(rate: float) -> Callable[[random.Random], tuple[int, int]]:
    return lambda rng: (2 * (rng.random() < rate), 2)


@pytest.mark.parametrize(
    ("criterion", "lives"),
    [
        ("success>0.95", independent(0.95)),
        ("success>0.80", independent(0.80)),
        ("success>0.80", alike(0.80)),
    ],
    ids=["95 %", "80 %", "80 %, all lives of a trial alike"],
)
def test_less_than_5_percent_of_decisions_are_wrong(
    criterion: str, lives: Callable[[random.Random], tuple[int, int]]
) -> None:
    found = decided(criterion, lives)
    assert found[Met.MET] / CAMPAIGNS < ERROR
    assert found[Met.NOT_MET] / CAMPAIGNS < ERROR


def test_without_a_counted_trial_nothing_is_decided() -> None:
    broken = Measured(verdict=Verdict.HARNESS_ERROR, inconclusive="the harness broke")
    for tally in (of(), of(*[broken] * 100)):
        decision = decide_so_far(tally, AUDIT, LOOKS)
        assert {each.result for each in decision.results} == {Met.NOT_ENOUGH_TRIALS}
        assert {each.trials_needed for each in decision.results} == {None}


@pytest.mark.parametrize("trials", [1, 5, 10, 30, 50, 100, 250])
def test_the_error_of_all_looks_together_is_at_most_5_percent(trials: int) -> None:
    looks = looks_until(trials)
    assert looks[-1].trials == trials
    assert [each.trials for each in looks[:-1]] == [each for each in AT if each < trials]
    assert sum(each.error for each in looks) == pytest.approx(ERROR)


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


def test_an_app_without_a_journey_is_not_asked_for_its_golden_path() -> None:
    assert parse_all([], has_journey=False) == AUDIT[:-1]
    with pytest.raises(UsageError, match="its entry has none"):
        parse_all(["golden_path>0.9"], has_journey=False)


def test_the_audits_criteria_read_as_they_are_written() -> None:
    assert tuple(map(parse, map(str, AUDIT))) == AUDIT

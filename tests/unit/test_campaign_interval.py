"""Intervals for a rate, against scipy's own and against what an interval is for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from crashloop.campaign.interval import lower, upper, wilson
from crashloop.campaign.sample import Sample

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
trials = st.lists(
    st.integers(0, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=40,
).map(tuple)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (7, 20), (49, 50), (100, 100)])
def test_the_intervals_are_those_of_scipy(k: int, n: int) -> None:
    shown = binomtest(k, n).proportion_ci(0.95, "wilson")
    assert wilson(k, n) == pytest.approx((shown.low, shown.high), abs=1e-12)
    exact = binomtest(k, n).proportion_ci(0.90, "exact")
    assert (lower(k, n, 0.05), upper(k, n, 0.05)) == pytest.approx((exact.low, exact.high))


@given(counts)
def test_each_interval_contains_the_rate(counted: tuple[int, int]) -> None:
    k, n = counted
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert 0 <= lower(k, n, 0.01) <= k / n <= upper(k, n, 0.01) <= 1


@given(counts, st.integers(2, 9))
def test_more_trials_at_the_same_rate_never_widen_an_interval(
    counted: tuple[int, int], times: int
) -> None:
    k, n = counted
    low, high = wilson(k, n)
    narrower_low, narrower_high = wilson(k * times, n * times)
    assert narrower_high - narrower_low <= high - low
    assert lower(k * times, n * times, 0.01) >= lower(k, n, 0.01)
    assert upper(k * times, n * times, 0.01) <= upper(k, n, 0.01)


@given(counts, st.floats(0.001, 0.4), st.floats(0.001, 0.4))
def test_a_smaller_error_never_narrows_a_bound(
    counted: tuple[int, int], one: float, other: float
) -> None:
    small, large = sorted((one, other))
    assert lower(*counted, small) <= lower(*counted, large)
    assert upper(*counted, small) >= upper(*counted, large)


@given(trials)
def test_lives_of_trials_count_for_no_more_than_they_are(of: tuple[tuple[int, int], ...]) -> None:
    sample = Sample(trials=of)
    assert sample.design_effect >= 1
    assert sample.size <= sample.n
    assert sample.size <= 2 * sample.clusters


def test_lives_that_end_alike_in_each_trial_count_as_one_for_each_trial() -> None:
    alike = Sample(trials=((2, 2),) * 10 + ((0, 2),) * 10)
    assert alike.design_effect == pytest.approx(2 * 20 / 19)
    assert alike.size == pytest.approx(19)


def test_lives_that_end_independently_count_in_full() -> None:
    mixed = Sample(trials=((2, 2),) * 25 + ((1, 2),) * 50 + ((0, 2),) * 25)
    assert mixed.design_effect == pytest.approx(100 / 99)
    assert mixed.size == pytest.approx(198)


def test_the_design_effect_is_that_of_the_ratio_estimator() -> None:
    of = ((3, 7), (1, 4), (5, 5), (0, 6), (2, 3))
    k, n, m = 11, 25, len(of)
    residuals = [each - k / n * size for each, size in of]
    variance = m / (m - 1) * math.fsum(r * r for r in residuals) / n**2
    assert Sample(trials=of).design_effect == pytest.approx(variance / (k / n * (1 - k / n) / n))


def test_lives_are_worth_one_for_each_of_few_trials_and_two_for_each_of_many() -> None:
    assert Sample(trials=((0, 14),) * 10).size == 10
    assert Sample(trials=((2, 2),) * 44).size == 44
    assert Sample(trials=((2, 2),) * 45).size == 90
    assert Sample(trials=((10, 10),) * 50).size == 100


def test_trials_without_anything_to_count_have_no_part() -> None:
    assert Sample(trials=((0, 0), (1, 2), (0, 0))).clusters == 1
    nothing = Sample(trials=((0, 0),))
    assert (nothing.size, nothing.rate) == (0, None)

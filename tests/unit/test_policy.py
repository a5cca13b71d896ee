"""Restart policies: pure functions from the exits so far to what the platform does next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.supervisor.policy import POLICIES, Decision, Exit, decide, parse_policy

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy

ON_FAILURE = parse_policy("on-failure")
WITHOUT_LIMIT = ["always", "unless-stopped"]


def backoffs(policy: RestartPolicy, runs_s: list[float]) -> list[float]:
    """The pause after each of these lives, in seconds."""
    exits = [Exit(status=3, run_s=run_s) for run_s in runs_s]
    return [decide(policy, exits[: n + 1]).backoff_s for n in range(len(exits))]


def last(policy: RestartPolicy, *statuses: int) -> Decision:
    return decide(policy, [Exit(status=status, run_s=1.0) for status in statuses])


def test_deaths_after_1_s_are_restarted_after_pauses_that_grow_to_60_s() -> None:
    doubled = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2]
    assert backoffs(ON_FAILURE, [1.0] * 13) == pytest.approx([*doubled, 60.0, 60.0, 60.0])


def test_deaths_after_20_s_are_restarted_after_a_tenth_of_a_second_for_ever() -> None:
    assert backoffs(ON_FAILURE, [20.0] * 30) == pytest.approx([0.1] * 30)


def test_a_life_of_10_s_makes_docker_forget_and_9_9_s_does_not() -> None:
    assert backoffs(ON_FAILURE, [1.0, 1.0, 10.0, 1.0]) == pytest.approx([0.1, 0.2, 0.1, 0.2])
    assert backoffs(ON_FAILURE, [1.0, 1.0, 9.9, 1.0]) == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_exit_0_is_not_a_failure_and_a_signal_is() -> None:
    assert not last(ON_FAILURE, 3, 0).restart
    assert last(ON_FAILURE, -9).restart
    assert last(ON_FAILURE, 0, 3).restart


@pytest.mark.parametrize("name", WITHOUT_LIMIT)
def test_without_limit_exit_0_is_restarted_as_a_failure_is(name: str) -> None:
    policy = parse_policy(name)
    assert last(policy, 3, 0).restart
    assert last(policy, 0, 0).backoff_s == last(policy, 3, 3).backoff_s == 0.2
    assert last(policy, 0).reason == "ended, which this policy restarts as well"
    assert last(policy, 0, 3).reason == "failed"
    assert last(policy, *[0] * 1000).restart


def test_the_observed_cloud_run_pauses_5_s_whatever_happened() -> None:
    policy = parse_policy("cloud-run-observed")
    assert backoffs(policy, [0.5, 20.0, 700.0]) == [5.0, 5.0, 5.0]
    assert last(policy, 0).restart
    assert not last(parse_policy("cloud-run-observed:1"), 3, 3).restart


@given(runs_s=st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_docker_never_waits_less_than_100_ms_or_more_than_60_s(runs_s: list[float]) -> None:
    for backoff_s, run_s in zip(backoffs(ON_FAILURE, runs_s), runs_s, strict=True):
        assert 0.1 <= backoff_s <= 60.0
        assert backoff_s == 0.1 or run_s < 10.0


@given(count=st.integers(1, 20), runs_s=st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_n_is_the_number_of_restarts_however_long_the_lives(
    count: int, runs_s: list[float]
) -> None:
    exits = [Exit(status=3, run_s=run_s) for run_s in runs_s]
    assert decide(parse_policy(f"on-failure:{count}"), exits).restart == (len(exits) <= count)


@pytest.mark.parametrize(
    "text", ["on-failure", "on-failure:6", "cloud-run-observed:999999", *WITHOUT_LIMIT]
)
def test_a_policy_is_read_by_its_name_with_a_note_of_its_source(text: str) -> None:
    name, _, count = text.partition(":")
    policy = parse_policy(f" {text} ")
    assert (policy.name, policy.max_restarts) == (name, int(count or 0))
    assert policy.note


@pytest.mark.parametrize(
    "text", ["", "no", "Always", "always:", "on-failure:", "on-failure:-1", "on-failure:x"]
)
def test_another_policy_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"unknown restart policy") as refused:
        parse_policy(text)
    for name in POLICIES:
        assert name in refused.value.hint


@pytest.mark.parametrize("name", WITHOUT_LIMIT)
@pytest.mark.parametrize("count", ["0", "3"])
def test_a_policy_without_limit_takes_no_count(name: str, count: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}:{count}': {name} takes no count") as refused:
        parse_policy(f"{name}:{count}")
    assert "on-failure:N" in refused.value.hint

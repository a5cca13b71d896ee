"""Platforms: pure steps from what is remembered and one exit to what the platform does next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.model import Platform, RestartPolicy
from crashloop.platforms import PLATFORMS, parse_platform, step_of
from crashloop.platforms.base import Decision, Exit, State

WITHOUT_LIMIT = ["always", "unless-stopped"]
TEN_MINUTES_S = 600.0


def decisions(platform: str, *ends: Exit) -> list[Decision]:
    """What the platform does after each of these exits of one replica."""
    step = step_of(parse_platform(platform))
    state, found = State(), []
    for ended in ends:
        state, decision = step(state, ended)
        found.append(decision)
    return found


def backoffs(platform: str, runs_s: list[float]) -> list[float]:
    """The pause after each of these failed lives, in seconds."""
    ends = [Exit(status=3, run_s=run_s) for run_s in runs_s]
    return [decision.backoff_s for decision in decisions(platform, *ends)]


def last(platform: str, *statuses: int) -> Decision:
    return decisions(platform, *(Exit(status=status, run_s=1.0) for status in statuses))[-1]


def starts_within(platform: str, *, life_s: float, within_s: float) -> int:
    """How often an app that dies after `life_s` is started in the first `within_s`."""
    step = step_of(parse_platform(platform))
    state, at_s, starts = State(), 0.0, 0
    while at_s < within_s:
        starts += 1
        state, decision = step(state, Exit(status=3, run_s=life_s))
        at_s += life_s + decision.backoff_s
    return starts


@pytest.mark.parametrize(("platform", "starts"), [("docker", 30), ("kubernetes", 7)])
def test_an_app_that_dies_after_20_s_is_started_this_often_in_10_minutes(
    platform: str, starts: int
) -> None:
    assert starts_within(platform, life_s=20.0, within_s=TEN_MINUTES_S) == starts


def test_docker_pauses_ever_longer_up_to_60_s_after_deaths_at_1_s() -> None:
    doubled = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2]
    assert backoffs("docker", [1.0] * 13) == pytest.approx([*doubled, 60.0, 60.0, 60.0])


def test_docker_pauses_a_tenth_of_a_second_for_ever_after_deaths_at_20_s() -> None:
    assert backoffs("docker", [20.0] * 30) == pytest.approx([0.1] * 30)


def test_docker_forgets_its_backoff_after_a_life_of_10_s_and_not_of_9_9_s() -> None:
    assert backoffs("docker", [1.0, 1.0, 10.0, 1.0]) == pytest.approx([0.1, 0.2, 0.1, 0.2])
    assert backoffs("docker", [1.0, 1.0, 9.9, 1.0]) == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_on_failure_does_not_restart_exit_0_and_does_restart_a_signal() -> None:
    assert not last("on-failure", 3, 0).restart
    assert last("on-failure", -9).restart


@pytest.mark.parametrize("name", WITHOUT_LIMIT)
def test_without_limit_exit_0_is_restarted_as_a_failure_is(name: str) -> None:
    assert last(name, 3, 0).restart
    assert last(name, 0, 0).backoff_s == last(name, 3, 3).backoff_s == 0.2
    assert last(name, 0).reason == "ended, which this policy restarts as well"
    assert last(name, 0, 3).reason == "failed"
    assert last(name, *[0] * 1000).restart


def test_kubernetes_restarts_at_once_and_then_after_10_s_doubled_up_to_300_s() -> None:
    pauses_s = [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert backoffs("kubernetes", [1.0] * 8) == pauses_s


def test_kubernetes_starts_over_after_a_life_of_more_than_600_s() -> None:
    assert backoffs("kubernetes", [1.0, 1.0, 1.0, 600.1, 1.0]) == [0.0, 10.0, 20.0, 0.0, 10.0]
    assert backoffs("kubernetes", [1.0, 1.0, 1.0, 600.0, 1.0]) == [0.0, 10.0, 20.0, 40.0, 80.0]


def test_kubernetes_restarts_an_app_that_ends_well_as_it_restarts_a_failure() -> None:
    assert last("kubernetes", 0, 0) == last("kubernetes", 3, 3)


def test_the_observed_cloud_run_pauses_5_s_whatever_happened() -> None:
    assert backoffs("cloud-run-observed", [0.5, 20.0, 700.0]) == [5.0, 5.0, 5.0]
    assert last("cloud-run-observed", 0).restart
    assert not last("cloud-run-observed:1", 3, 3).restart


@given(runs_s=st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_docker_never_waits_less_than_100_ms_or_more_than_60_s(runs_s: list[float]) -> None:
    for backoff_s, run_s in zip(backoffs("docker", runs_s), runs_s, strict=True):
        assert 0.1 <= backoff_s <= 60.0
        assert backoff_s == 0.1 or run_s < 10.0


@given(runs_s=st.lists(st.floats(0, 1e6), min_size=2, max_size=40))
def test_kubernetes_pauses_only_by_its_own_steps_and_never_shorter_without_a_long_life(
    runs_s: list[float],
) -> None:
    pauses_s = backoffs("kubernetes", runs_s)
    assert set(pauses_s) <= {0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0}
    for before_s, after_s, run_s in zip(pauses_s, pauses_s[1:], runs_s[1:], strict=False):
        assert after_s > before_s or after_s == 300.0 or run_s > 600.0


@given(
    name=st.sampled_from(["docker:on-failure", "cloud-run-observed"]),
    count=st.integers(1, 20),
    runs_s=st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
)
def test_n_is_the_number_of_restarts_however_long_the_lives(
    name: str, count: int, runs_s: list[float]
) -> None:
    ends = [Exit(status=3, run_s=run_s) for run_s in runs_s]
    restarts = [decision.restart for decision in decisions(f"{name}:{count}", *ends)]
    assert restarts == [n < count for n in range(len(ends))]


@pytest.mark.parametrize(
    ("text", "name", "policy", "count", "grace_s"),
    [
        ("docker", "docker", "on-failure", 0, 10.0),
        ("docker:on-failure", "docker", "on-failure", 0, 10.0),
        (" docker:on-failure:6 ", "docker", "on-failure", 6, 10.0),
        ("docker:always", "docker", "always", 0, 10.0),
        ("docker:unless-stopped", "docker", "unless-stopped", 0, 10.0),
        ("on-failure", "docker", "on-failure", 0, 10.0),
        ("on-failure:6", "docker", "on-failure", 6, 10.0),
        ("always", "docker", "always", 0, 10.0),
        ("unless-stopped", "docker", "unless-stopped", 0, 10.0),
        ("kubernetes", "kubernetes", "always", 0, 30.0),
        ("cloud-run-observed", "cloud-run-observed", "cloud-run-observed", 0, 10.0),
        ("cloud-run-observed:999999", "cloud-run-observed", "cloud-run-observed", 999999, 10.0),
    ],
)
def test_a_platform_is_read_by_its_name_with_a_note_of_its_source(
    text: str, name: str, policy: str, count: int, grace_s: float
) -> None:
    platform = parse_platform(text)
    assert (platform.name, platform.restart.name) == (name, policy)
    assert (platform.restart.max_restarts, platform.grace_s) == (count, grace_s)
    assert platform.restart.note
    assert platform.startup is platform.liveness is platform.readiness is None


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "no", "Docker", "docker:", "docker:no", "docker:on-failure:", "always:",
        "on-failure:", "on-failure:-1", "on-failure:x", "on-failure:1:2", "docker:docker",
        "kubernetes:3", "kubernetes:", "cloud-run-observed:", "cloud-run-observed:x", "6",
    ],
)  # fmt: skip
def test_another_platform_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"unknown platform") as refused:
        parse_platform(text)
    for name in (*PLATFORMS, "on-failure:N", "always", "unless-stopped"):
        assert name in refused.value.hint


@pytest.mark.parametrize(
    "text", ["always:3", "unless-stopped:0", "docker:always:3", "docker:unless-stopped:1"]
)
def test_a_policy_without_limit_takes_no_count(text: str) -> None:
    with pytest.raises(UsageError, match=r"takes no count") as refused:
        parse_platform(text)
    assert "on-failure:N" in refused.value.hint


def test_every_platform_reads_each_form_that_it_offers() -> None:
    for kind in PLATFORMS.values():
        for form in kind.forms:
            assert parse_platform(form.replace(":N", ":3")).name == kind.name


def test_a_platform_that_is_gone_is_refused_by_its_name() -> None:
    gone = Platform(name="swarm", restart=RestartPolicy(name="any"))
    with pytest.raises(UsageError, match="unknown platform 'swarm'"):
        step_of(gone)

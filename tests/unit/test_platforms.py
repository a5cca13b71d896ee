"""Platforms: pure steps from what is remembered and one exit to what the platform does next."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platform_table import DEATHS_IN_TEN_MINUTES, TEN_MINUTES_S, WITHOUT_SCHEDULE, starts_s

from crashloop.errors import UsageError
from crashloop.model import Platform, Probe, ProbeKind, RestartPolicy
from crashloop.platforms import (
    FORMS,
    PLATFORMS,
    longest_backoff_s,
    parse_platform,
    step_of,
    with_probes_of,
)
from crashloop.platforms.base import Decision, Exit, State

WITHOUT_LIMIT = ["always", "unless-stopped"]

DRAWS = st.floats(0, 1, exclude_max=True)
LIVES = st.lists(
    st.tuples(st.sampled_from([0, 1, 3, -9, -15]), st.floats(0, 1e6), DRAWS),
    min_size=1,
    max_size=40,
)


def written(form: str) -> str:
    """A form with a value for each of its letters."""
    return form.replace("=S", "=30").replace("=N", "=3").replace(":N", ":3")


EVERY_FORM = st.sampled_from([written(form) for form in FORMS])


def ended(run_s: float, *, status: int = 3, at_s: float | None = None, draw: float = 0.0) -> Exit:
    """A life that ended; the replica's first, if nothing else is said."""
    return Exit(status=status, run_s=run_s, at_s=run_s if at_s is None else at_s, draw=draw)


def decisions(platform: str, *ends: Exit) -> list[Decision]:
    """What the platform does after each of these exits of one replica, in its own time."""
    step = step_of(parse_platform(platform))
    state, at_s, found = State(), 0.0, []
    for one in ends:
        at_s += one.run_s
        state, decision = step(state, replace(one, at_s=at_s))
        at_s += decision.backoff_s
        found.append(decision)
    return found


def backoffs(platform: str, runs_s: list[float]) -> list[float]:
    """The pause after each of these failed lives, in seconds."""
    return [decision.backoff_s for decision in decisions(platform, *map(ended, runs_s))]


def last(platform: str, *statuses: int) -> Decision:
    return decisions(platform, *(ended(1.0, status=status) for status in statuses))[-1]


@pytest.mark.parametrize(("platform", "starts"), DEATHS_IN_TEN_MINUTES.items())
def test_an_app_that_dies_after_20_s_is_started_this_often_in_10_minutes(
    platform: str, starts: int
) -> None:
    assert len(starts_s(platform, life_s=20.0, within_s=TEN_MINUTES_S)) == starts


@pytest.mark.parametrize("platform", WITHOUT_SCHEDULE)
def test_a_platform_without_a_schedule_stays_within_its_stated_range(platform: str) -> None:
    soonest, latest = (
        decisions(platform, ended(20.0, draw=draw))[0].backoff_s for draw in (0.0, 0.999)
    )
    assert soonest == 5.0
    assert latest == pytest.approx(longest_backoff_s(parse_platform(platform)), abs=0.1)


@pytest.mark.parametrize("platform", [written(form) for form in FORMS])
def test_a_long_history_takes_no_longer_and_is_not_remembered(platform: str) -> None:
    step = step_of(parse_platform(platform))
    state = State()
    for _ in range(20_000):
        state, _ = step(state, ended(20.0, at_s=20.0 * (state.restarts + 1)))
    assert {type(value) for value in asdict(state).values()} <= {int, float}
    assert state.restarts <= 20_000
    assert state.counted <= 5


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


def test_a_shorter_kubernetes_backoff_begins_at_1_s_and_ends_at_60_s() -> None:
    pauses_s = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert backoffs("kubernetes:kep-4603", [1.0] * 9) == pauses_s


def test_a_kubernetes_maximum_below_10_s_is_the_first_delay_too() -> None:
    assert backoffs("kubernetes:max=3", [1.0] * 4) == [0.0, 3.0, 3.0, 3.0]
    assert backoffs("kubernetes:max=25", [1.0] * 5) == [0.0, 10.0, 20.0, 25.0, 25.0]
    assert backoffs("kubernetes:max=10", [1.0] * 3) == [0.0, 10.0, 10.0]


@pytest.mark.parametrize("form", ["kubernetes:kep-4603", "kubernetes:max=30"])
def test_a_shorter_maximum_leaves_the_reset_of_kubernetes_at_600_s(form: str) -> None:
    after_long, after_shorter = (backoffs(form, [1.0, 1.0, run_s])[-1] for run_s in (600.1, 600.0))
    assert after_long == 0.0
    assert after_shorter > 0.0


def test_swarm_pauses_5_s_whatever_happened() -> None:
    assert backoffs("swarm", [0.5, 20.0, 700.0]) == [5.0, 5.0, 5.0]
    assert last("swarm", 0).restart


def test_cloud_run_draws_its_pause_from_what_was_observed() -> None:
    drawn = [ended(20.0, draw=draw) for draw in (0.0, 0.5, 0.999)]
    pauses_s = [decision.backoff_s for decision in decisions("cloud-run", *drawn)]
    assert pauses_s == pytest.approx([5.0, 11.0, 16.988])
    assert last("cloud-run", 0).restart


def test_cloud_run_waits_240_s_for_a_port_where_no_probe_is_configured() -> None:
    platform = parse_platform("cloud-run")
    assert platform.startup is not None
    assert platform.startup.kind is ProbeKind.TCP
    assert (platform.startup.timeout_s, platform.startup.period_s) == (240.0, 240.0)
    assert platform.startup.failures == 1
    assert platform.liveness is platform.readiness is None


def test_systemd_fails_what_it_is_to_start_a_sixth_time_in_10_s() -> None:
    at_once = decisions("systemd", *[ended(0.1)] * 5)
    assert [decision.restart for decision in at_once] == [True] * 4 + [False]
    assert [decision.backoff_s for decision in at_once[:4]] == [0.1] * 4
    assert "start-limit-hit" in at_once[-1].reason


def test_systemd_restarts_for_ever_what_it_starts_less_often_than_its_limit() -> None:
    slow = decisions("systemd", *[ended(2.0)] * 200)  # the sixth start is at 10.5 s
    assert all(decision.restart for decision in slow)
    fast = decisions("systemd", *[ended(1.8)] * 5)  # at 9.5 s
    assert [decision.restart for decision in fast] == [True] * 4 + [False]


def test_systemd_restarts_no_clean_exit_and_no_clean_signal() -> None:
    assert not last("systemd", 0).restart
    assert not last("systemd", -15).restart
    assert last("systemd", -9).restart
    assert last("systemd", 143).restart


def test_systemd_grows_its_delay_by_equal_factors_and_counts_every_restart() -> None:
    form = "systemd:RestartSec=1:RestartSteps=4:RestartMaxDelaySec=16:StartLimitIntervalSec=0"
    assert backoffs(form, [0.1] * 6) == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 16.0])
    assert backoffs(form, [0.1, 9000.0, 0.1]) == pytest.approx([1.0, 2.0, 4.0])


def test_a_start_limit_of_systemd_can_be_set_and_switched_off() -> None:
    twice = decisions("systemd:StartLimitBurst=2:StartLimitIntervalSec=60", *[ended(20.0)] * 2)
    assert [decision.restart for decision in twice] == [True, False]
    assert all(
        decision.restart
        for decision in decisions("systemd:StartLimitIntervalSec=0", *[ended(0.0)] * 100)
    )


def test_ecs_replaces_whatever_ended_without_ever_waiting_longer() -> None:
    drawn = [decisions("ecs", *[ended(1.0, draw=0.5)] * 100)[at].backoff_s for at in (0, 99)]
    assert drawn == pytest.approx([32.5, 32.5])
    assert last("ecs", 0).restart


def test_nomad_pauses_15_s_and_up_to_a_quarter_more() -> None:
    drawn = [decisions("nomad", ended(20.0, draw=draw))[0].backoff_s for draw in (0.0, 0.5, 0.999)]
    assert drawn == pytest.approx([15.0, 16.875, 18.746], abs=0.001)


def test_nomad_fails_a_third_exit_in_30_minutes_and_counts_again_in_the_next() -> None:
    three = decisions("nomad", *[ended(20.0)] * 3)
    assert [decision.restart for decision in three] == [True, True, False]
    later = decisions("nomad", ended(20.0), ended(20.0), ended(1800.0), ended(20.0), ended(20.0))
    assert [decision.restart for decision in later] == [True, True, True, True, False]
    assert last("nomad", 0).restart


def test_supervisord_retries_a_start_after_1_2_and_3_s_and_is_then_fatal() -> None:
    short = decisions("supervisord", *[ended(0.5)] * 4)
    assert [decision.backoff_s for decision in short[:3]] == [1.0, 2.0, 3.0]
    assert not short[3].restart
    assert "FATAL" in short[3].reason


def test_supervisord_restarts_at_once_and_for_ever_what_ran_for_1_s() -> None:
    assert backoffs("supervisord", [1.0] * 50) == [0.0] * 50
    assert backoffs("supervisord", [0.5, 0.5, 1.0, 0.5]) == [1.0, 2.0, 0.0, 1.0]


def test_supervisord_restarts_exit_0_only_before_its_program_counts_as_started() -> None:
    assert decisions("supervisord", ended(0.5, status=0))[0].restart
    assert not decisions("supervisord", ended(1.0, status=0))[0].restart


LIVENESS = Probe(kind=ProbeKind.HTTP, path="/live")
STARTUP = Probe(kind=ProbeKind.HTTP, path="/start")


def test_another_platform_keeps_the_probes_that_were_configured() -> None:
    before = replace(parse_platform("kubernetes"), startup=STARTUP, liveness=LIVENESS)
    moved = with_probes_of(before, parse_platform("cloud-run"))
    assert (moved.name, moved.startup, moved.liveness) == ("cloud-run", STARTUP, LIVENESS)


def test_another_platform_has_its_own_default_probe_and_not_the_one_of_before() -> None:
    cloud_run, kubernetes = parse_platform("cloud-run"), parse_platform("kubernetes")
    probed = replace(cloud_run, liveness=LIVENESS)
    assert with_probes_of(probed, kubernetes).startup is None
    assert with_probes_of(probed, kubernetes).liveness == LIVENESS
    assert with_probes_of(kubernetes, cloud_run).startup == cloud_run.startup


def test_a_platform_without_probes_drops_those_of_before() -> None:
    systemd = parse_platform("systemd")
    assert (
        with_probes_of(replace(parse_platform("kubernetes"), startup=STARTUP), systemd) == systemd
    )


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


@given(form=EVERY_FORM, lives=LIVES)
def test_no_platform_pauses_less_than_0_s_or_longer_than_its_longest(
    form: str, lives: list[tuple[int, float, float]]
) -> None:
    longest_s = longest_backoff_s(parse_platform(form))
    ends = [ended(run_s, status=status, draw=draw) for status, run_s, draw in lives]
    for decision in decisions(form, *ends):
        assert 0.0 <= decision.backoff_s <= longest_s
        assert decision.reason


@given(form=EVERY_FORM, lives=LIVES)
def test_the_same_exits_with_the_same_draws_are_decided_the_same(
    form: str, lives: list[tuple[int, float, float]]
) -> None:
    ends = [ended(run_s, status=status, draw=draw) for status, run_s, draw in lives]
    assert decisions(form, *ends) == decisions(form, *ends)


@given(
    name=st.sampled_from(["docker:on-failure", "cloud-run-observed"]),
    count=st.integers(1, 20),
    runs_s=st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
)
def test_n_is_the_number_of_restarts_however_long_the_lives(
    name: str, count: int, runs_s: list[float]
) -> None:
    ends = list(map(ended, runs_s))
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
        ("kubernetes:kep-4603", "kubernetes", "kep-4603", 0, 30.0),
        ("kubernetes:max=60", "kubernetes", "max=60", 0, 30.0),
        ("swarm", "swarm", "swarm", 0, 10.0),
        ("systemd", "systemd", "systemd", 0, 90.0),
        ("systemd:RestartSec=5", "systemd", "RestartSec=5", 0, 90.0),
        ("ecs", "ecs", "ecs", 0, 30.0),
        ("nomad", "nomad", "nomad", 0, 5.0),
        ("supervisord", "supervisord", "supervisord", 0, 10.0),
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


@pytest.mark.parametrize("text", ["", ":", "no", "Docker", "6", "kubernetes2", "borg:3"])
def test_an_unknown_platform_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"unknown platform") as refused:
        parse_platform(text)
    for name in (*PLATFORMS, "on-failure:N", "always", "unless-stopped"):
        assert name in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "docker:", "docker:no", "docker:on-failure:", "docker:docker", "always:", "on-failure:",
        "on-failure:-1", "on-failure:x", "on-failure:1:2", "kubernetes:3", "kubernetes:",
        "kubernetes:max", "kubernetes:min=3", "kubernetes:kep-4603:max=3", "cloud-run:3",
        "cloud-run-observed:", "cloud-run-observed:x", "nomad:x", "swarm:5", "ecs:breaker",
        "supervisord:startsecs=3", "systemd:always", "systemd:RestartSec", "systemd:restartsec=3",
    ],
)  # fmt: skip
def test_an_option_that_a_platform_does_not_have_is_refused_with_those_it_has(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be written") as refused:
        parse_platform(text)
    assert repr(text) in refused.value.message
    named = text.partition(":")[0]
    kind = PLATFORMS.get(named, PLATFORMS["docker"])
    assert all(form in refused.value.hint for form in kind.forms)


@pytest.mark.parametrize(
    ("text", "why", "hint"),
    [
        ("kubernetes:max=0", "max=0 is not possible", "from 1 to 300"),
        ("kubernetes:max=301", "max=301 is not possible", "from 1 to 300"),
        ("kubernetes:max=nan", "max=nan is not possible", "a number of seconds"),
        ("kubernetes:max=-5", "max=-5 is not possible", "a number of seconds"),
        ("kubernetes:max=x", "max=x is not possible", "a number of seconds"),
        ("kubernetes:max=", "max= is not possible", "a number of seconds"),
        ("kubernetes:max=5:max=6", "max is given twice", "give max once"),
        ("systemd:RestartSec=-1", "RestartSec=-1 is not possible", "from 0.001"),
        ("systemd:RestartSec=inf", "RestartSec=inf is not possible", "from 0.001"),
        ("systemd:StartLimitBurst=2.5", "StartLimitBurst=2.5", "a whole number"),
        ("systemd:RestartSteps=3", "no effect without each other", "RestartMaxDelaySec=S"),
        ("systemd:RestartMaxDelaySec=3", "no effect without each other", "RestartSteps=N"),
        (
            "systemd:RestartSec=9:RestartSteps=3:RestartMaxDelaySec=2",
            "RestartMaxDelaySec=2 is less than RestartSec=9",
            "no shorter than the first",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_what_is_possible(
    text: str, why: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse_platform(text)
    assert why in refused.value.message
    assert hint in refused.value.hint


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
            assert parse_platform(written(form)).name == kind.name


def test_a_platform_that_is_gone_is_refused_by_its_name() -> None:
    gone = Platform(name="borg", restart=RestartPolicy(name="any"))
    with pytest.raises(UsageError, match="unknown platform 'borg'"):
        step_of(gone)

"""Probes by Kubernetes' rules: what results lead to, and which probes make no sense."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.model import AppUnderTest, Platform, Probe, ProbeKind
from crashloop.platforms import parse_platform
from crashloop.platforms.probes import (
    ProbeState,
    Purpose,
    first_age_s,
    is_news,
    probes_of,
    require_sound,
    step,
)

TCP = Probe(kind=ProbeKind.TCP)
HTTP = Probe(kind=ProbeKind.HTTP, path="/health?full=1")
COMMAND = Probe(kind=ProbeKind.COMMAND, command=("pg_isready",))
KUBERNETES = parse_platform("kubernetes")
APP = AppUnderTest(name="shop", command=("shop", "--port", "{port}"))
KILLERS = [Purpose.STARTUP, Purpose.LIVENESS]


def actions(purpose: Purpose, results: str, *, failures: int = 3) -> list[str]:
    """What each result leads to; `+` is a pass, `-` a failure."""
    probe, state, found = replace(TCP, failures=failures), ProbeState(), []
    for result in results:
        state, action = step(purpose, probe, state, ok=result == "+")
        found.append(action.value)
    return found


@pytest.mark.parametrize("purpose", KILLERS)
def test_the_third_failure_in_a_row_ends_the_life(purpose: Purpose) -> None:
    assert actions(purpose, "---") == ["nothing", "nothing", "kill"]
    assert actions(purpose, "--+---")[2:] == ["passed", "nothing", "nothing", "kill"]
    assert actions(purpose, "-", failures=1) == ["kill"]


def test_a_readiness_probe_never_ends_a_life_and_fails_once_for_each_row_of_failures() -> None:
    found = actions(Purpose.READINESS, "-----+---")
    assert found.count("failed") == 2
    assert found.index("failed") == 2
    assert "kill" not in found


@pytest.mark.parametrize("purpose", list(Purpose))
def test_only_the_first_pass_is_a_pass(purpose: Purpose) -> None:
    assert actions(purpose, "-++-+") == ["nothing", "passed", "nothing", "nothing", "nothing"]


@given(results=st.text("+-", max_size=40), failures=st.integers(1, 5))
def test_a_life_is_ended_at_the_first_row_of_failures_that_is_long_enough(
    results: str, failures: int
) -> None:
    found = actions(Purpose.LIVENESS, results, failures=failures)
    at = results.find("-" * failures)
    assert (found.index("kill") if "kill" in found else -1) == (at if at < 0 else at + failures - 1)


@pytest.mark.parametrize("purpose", KILLERS)
def test_a_life_that_never_answers_is_killed_when_its_delay_and_all_periods_have_passed(
    purpose: Purpose,
) -> None:
    probe = replace(TCP, delay_s=10.0, period_s=30.0, failures=3)
    first_s = first_age_s(purpose, probe, age_s=0.1)
    assert first_s + (probe.failures - 1) * probe.period_s == 10.0 + 3 * 30.0


def test_a_liveness_probe_that_had_to_wait_comes_at_its_next_tick() -> None:
    probe = replace(TCP, delay_s=5.0, period_s=10.0)
    ages_s = [first_age_s(Purpose.LIVENESS, probe, age_s=age_s) for age_s in (0, 15, 15.1, 25.1)]
    assert ages_s == [15.0, 15.0, 25.0, 35.0]


def test_a_readiness_probe_comes_as_soon_as_it_may() -> None:
    probe = replace(TCP, delay_s=5.0, period_s=10.0)
    ages_s = [first_age_s(Purpose.READINESS, probe, age_s=age_s) for age_s in (0, 12.5)]
    assert ages_s == [5.0, 12.5]


def test_changes_and_failures_up_to_the_threshold_are_news() -> None:
    state, news = ProbeState(), []
    for result in "++----+":
        before = state
        state, _ = step(Purpose.READINESS, TCP, state, ok=result == "+")
        news.append(is_news(TCP, before, state))
    assert news == [True, False, True, True, True, False, True]


def test_a_platform_lists_the_probes_that_it_has() -> None:
    assert probes_of(KUBERNETES) == {}
    assert probes_of(replace(KUBERNETES, liveness=HTTP, startup=TCP)) == {
        Purpose.STARTUP: TCP,
        Purpose.LIVENESS: HTTP,
    }


def test_sound_probes_are_accepted() -> None:
    require_sound(KUBERNETES, APP)
    require_sound(replace(KUBERNETES, startup=TCP, liveness=HTTP, readiness=COMMAND), APP)
    by_variable = AppUnderTest(name="shop", command=("shop",), env={"PORT": "{port}"})
    require_sound(replace(KUBERNETES, startup=TCP), by_variable)


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (replace(HTTP, path=""), "requests the path ''"),
        (replace(HTTP, path="health"), "requests the path 'health'"),
        (replace(HTTP, path="/a b"), "requests the path '/a b'"),
        (replace(HTTP, path="/a\nb"), r"requests the path '/a\nb'"),
        (replace(TCP, path="/"), "is of kind tcp and has the path '/'"),
        (replace(COMMAND, command=()), "runs a command and names none"),
        (replace(COMMAND, command=("",)), "runs a command and names none"),
        (replace(TCP, command=("true",)), "is of kind tcp and has a command"),
        (replace(TCP, period_s=0.0), "has period_s=0"),
        (replace(TCP, period_s=float("nan")), "has period_s=nan"),
        (replace(TCP, period_s=float("inf")), "has period_s=inf"),
        (replace(TCP, timeout_s=-1.0), "has timeout_s=-1"),
        (replace(TCP, failures=0), "has failures=0"),
        (replace(TCP, delay_s=-0.5), "has delay_s=-0.5"),
    ],
)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_probe_that_contradicts_itself_is_refused_by_its_purpose(
    purpose: Purpose, probe: Probe, says: str
) -> None:
    fields: dict[str, Any] = {purpose.value: probe}
    with pytest.raises(UsageError) as refused:
        require_sound(replace(KUBERNETES, **fields), APP)
    assert refused.value.message == f"the {purpose.value} probe of kubernetes {says}"
    assert refused.value.hint


@pytest.mark.parametrize("probe", [TCP, HTTP])
def test_an_app_without_a_port_cannot_be_probed_at_its_port(probe: Probe) -> None:
    worker = AppUnderTest(name="worker", command=("worker",))
    with pytest.raises(UsageError, match="needs a port, and the app worker is given none"):
        require_sound(replace(KUBERNETES, liveness=probe), worker)
    require_sound(replace(KUBERNETES, liveness=COMMAND), worker)


@pytest.mark.parametrize("grace_s", [-1.0, float("inf"), float("nan")])
def test_a_grace_period_without_meaning_is_refused(grace_s: float) -> None:
    platform: Platform = replace(KUBERNETES, grace_s=grace_s)
    with pytest.raises(UsageError, match="kubernetes has a grace period of"):
        require_sound(platform, APP)

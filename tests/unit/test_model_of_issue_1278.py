"""The incident's record: its parameters, its faults, and every timer of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app_under_test.settings import timers
from crashloop.apps import render
from crashloop.clock import TimeScale
from crashloop.engines.local import LocalEngine
from crashloop.errors import UsageError
from crashloop.faults import fault_kind
from crashloop.incidents import INCIDENTS, incident
from crashloop.incidents.soundness import require_sound
from crashloop.model import Moment, Role, Transport, Trigger
from crashloop.preflight import require_runnable

if TYPE_CHECKING:
    from crashloop.model import Scenario

INCIDENT = incident("issue-1278")


PLACES = dict.fromkeys(
    ("host", "port", "python", "seed", "replica", "attempt", "replicas", "redis.url"), "1"
)
VALUES = {**PLACES, "postgres.url": "postgresql://app@host/app"}


def settings_of(scenario: Scenario, scale: float = 1.0) -> dict[str, str]:
    """The variables with which the app is started."""
    return render(scenario.app, VALUES, TimeScale(factor=scale))[1]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("limit_s", [8.0, 20.0, 25.0, 95.0])
def test_the_scenario_sets_every_timer_of_the_app_and_scales_it(role: Role, limit_s: float) -> None:
    scenario = INCIDENT.scenario(role, limit_s=limit_s)
    real, scaled = settings_of(scenario), settings_of(scenario, 20.0)
    assert float(real["APP_PHASE_DATABASE_LIMIT_S"]) == limit_s
    for name in timers():
        assert float(scaled[name]) == pytest.approx(float(real[name]) / 20.0, abs=1e-6), name


@pytest.mark.parametrize("limit_s", [8.0, 95.0, 600.0])
def test_no_other_timer_of_the_database_ends_the_phase_before_its_limit(limit_s: float) -> None:
    found = settings_of(INCIDENT.scenario(limit_s=limit_s))
    assert float(found["APP_DATABASE_CONNECT_TIMEOUT_S"]) > limit_s
    assert float(found["APP_DATABASE_COMMAND_TIMEOUT_S"]) > limit_s


def test_the_pool_has_the_audits_size() -> None:
    settings = settings_of(INCIDENT.scenario())
    assert (settings["APP_POOL_SIZE"], settings["APP_MAX_OVERFLOW"]) == ("20", "30")


def test_only_the_remedy_run_has_the_remedy_on() -> None:
    on = [r for r in Role if INCIDENT.scenario(r).app.knobs["degraded_start"]]
    assert on == [Role.REMEDY]


def test_only_the_control_run_has_no_fault_and_asks_for_no_receipt() -> None:
    for role in Role:
        scenario = INCIDENT.scenario(role)
        checks = {spec.check for spec in scenario.signature.require}
        assert bool(scenario.faults) == (role is not Role.CONTROL)
        assert ("faults_have_receipts" in checks) == bool(scenario.faults)


def test_three_runs_have_the_same_faults_at_the_same_triggers() -> None:
    plans = [
        INCIDENT.scenario(role).faults for role in (Role.REPRODUCTION, Role.REMEDY, Role.UNPLUGGED)
    ]
    assert plans[0] == plans[1] == plans[2]


@pytest.mark.parametrize("kind", INCIDENT.parameters["fault"].choices)
@pytest.mark.parametrize("transport", list(Transport))
def test_a_fault_runs_where_it_can_and_is_refused_elsewhere(
    kind: str, transport: Transport
) -> None:
    scenario = INCIDENT.scenario(fault=kind, transport=str(transport))
    if transport in fault_kind(kind).transports:
        require_runnable(scenario, TimeScale(), LocalEngine)
        (fault,) = scenario.faults
        assert (fault.kind, fault.receipt) == (kind, fault_kind(kind).receipt)
        return
    with pytest.raises(UsageError, match=rf"{kind}(?s:.)*transport=tcp"):
        require_runnable(scenario, TimeScale(), LocalEngine)


def test_with_several_replicas_it_heals_when_each_has_died_three_times() -> None:
    (fault,) = INCIDENT.scenario(replicas=3).faults
    each, at_latest = fault.heal.first_of
    assert isinstance(each, Trigger)
    assert [m.where for m in each.all_of if isinstance(m, Moment)] == [
        {"replica": number, "attempt": 3} for number in (1, 2, 3)
    ]
    assert isinstance(at_latest, Moment)
    assert at_latest.after_s == 90.0


@pytest.mark.parametrize("kind", ["black_hole", "connect_delay"])
def test_what_the_kernel_times_runs_in_real_time_only(kind: str) -> None:
    params: dict[str, Any] = {"fault": kind, "transport": "tcp"}
    assert "kernel" in INCIDENT.scenario(limit_s=35.0, **params).real_time_only
    assert INCIDENT.scenario(limit_s=20.0, **params).real_time_only == ""
    assert INCIDENT.scenario(Role.CONTROL, limit_s=35.0, **params).real_time_only == ""


def test_the_scenario_remembers_its_parameters() -> None:
    scenario = INCIDENT.scenario(limit_s=8, fault="latency")
    assert scenario.params["limit_s"] == 8.0
    assert scenario.params["fault"] == "latency"
    assert set(scenario.params) == set(INCIDENT.parameters)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"limits": 8}, r"has no parameter 'limits'\n.*limit_s"),
        ({"limit_s": 0.5}, r"limit_s=0\.5 is out of bounds\n.*1 to 3600"),
        ({"limit_s": 3601}, "out of bounds"),
        ({"limit_s": "nan"}, "out of bounds"),
        ({"limit_s": "soon"}, "limit_s=soon is not a number"),
        ({"limit_s": None}, "is not a number"),
        ({"warm_connections": 2.5}, "is not a whole number"),
        ({"warm_connections": 101}, "out of bounds"),
        ({"fault": "flood"}, r"fault=flood is not possible\n.*hold, black_hole"),
        ({"transport": "udp"}, r"choose one of unix, tcp"),
        ({"policy": "sometimes"}, "sometimes"),
        ({"platform": "docker:sometimes"}, "docker:sometimes"),
        ({"platform": "docker", "policy": "always"}, "the same parameter"),
        ({"replicas": 0}, "out of bounds"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    params: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        INCIDENT.scenario(**params)


def test_an_unknown_incident_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown incident 'issue-1287'\n.*mean issue-1278\?"):
        incident("issue-1287")


@pytest.mark.parametrize("name", sorted(INCIDENTS))
def test_every_incident_names_its_source_facts_look_alikes_and_remedy(name: str) -> None:
    found = require_sound(INCIDENTS[name])
    assert found.remedy.says
    checks = {spec.check for spec in found.scenario().signature.expect}
    assert {one.ruled_out_by for one in found.look_alikes} <= checks
    assert all(parameter.says for parameter in found.parameters.values())

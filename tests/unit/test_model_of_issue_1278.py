"""The incident's record: its parameters, its faults, and every timer of the app."""

from __future__ import annotations

from typing import Any

import pytest

from app_under_test.settings import timers
from crashloop.errors import UsageError
from crashloop.faults import fault_kind
from crashloop.incidents import INCIDENTS, incident
from crashloop.model import PHASES, Role, Transport

INCIDENT = incident("issue-1278")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("limit_s", [8.0, 20.0, 25.0, 95.0])
def test_the_scenario_sets_every_timer_of_the_app_and_no_other(role: Role, limit_s: float) -> None:
    scenario = INCIDENT.scenario(role, limit_s=limit_s)
    assert set(scenario.app.timers_s) == set(timers())
    assert scenario.app.timers_s["APP_PHASE_DATABASE_LIMIT_S"] == limit_s


@pytest.mark.parametrize("limit_s", [8.0, 95.0, 600.0])
def test_no_other_timer_of_the_database_ends_the_phase_before_its_limit(limit_s: float) -> None:
    found = INCIDENT.scenario(limit_s=limit_s).app.timers_s
    assert found["APP_DATABASE_CONNECT_TIMEOUT_S"] > limit_s
    assert found["APP_DATABASE_COMMAND_TIMEOUT_S"] > limit_s


def test_the_pool_has_the_audits_size() -> None:
    settings = INCIDENT.scenario().app.settings
    assert (settings["APP_POOL_SIZE"], settings["APP_MAX_OVERFLOW"]) == ("20", "30")


def test_only_the_remedy_run_has_the_remedy_on() -> None:
    on = [
        role
        for role in Role
        if INCIDENT.scenario(role).app.settings["APP_REMEDY_DEGRADED_START"] == "true"
    ]
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
    params: dict[str, Any] = {"fault": kind, "transport": str(transport)}
    if transport in fault_kind(kind).transports:
        (fault,) = INCIDENT.scenario(**params).faults
        assert (fault.kind, fault.grade) == (kind, fault_kind(kind).grade)
        return
    with pytest.raises(UsageError, match=rf"fault {kind} needs TCP(?s:.)*transport=tcp"):
        INCIDENT.scenario(**params)


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
        ({"limit_s": 0.5}, r"limit_s=0\.5 is out of bounds\n.*1 to 600"),
        ({"limit_s": 601}, "out of bounds"),
        ({"limit_s": "nan"}, "out of bounds"),
        ({"limit_s": "soon"}, "limit_s=soon is not a number"),
        ({"limit_s": None}, "is not a number"),
        ({"warm_connections": 2.5}, "is not a number"),
        ({"warm_connections": 21}, "out of bounds"),
        ({"fault": "flood"}, r"fault=flood is not possible\n.*hold, black_hole"),
        ({"transport": "udp"}, r"choose one of unix, tcp"),
        ({"policy": "sometimes"}, "unknown restart policy 'sometimes'"),
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
    found = INCIDENTS[name]
    assert found.source
    assert found.facts
    assert found.look_alikes
    assert found.remedy
    assert all(parameter.says for parameter in found.parameters.values())


@pytest.mark.parametrize("role", list(Role))
def test_the_signature_names_the_last_phase_and_those_before_it(role: Role) -> None:
    specs = {spec.check: spec.params for spec in INCIDENT.scenario(role).signature.expect}
    last, before = specs["last_phase"]["phase"], tuple(specs["last_phase"]["after"])
    assert PHASES[: PHASES.index(last)] == before

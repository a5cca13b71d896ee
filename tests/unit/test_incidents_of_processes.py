"""Incidents of what starts the app, and beside what: workers, a side-car, a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_outages import HIDDEN, KILLED, SLOTS
from crashloop_traces import REPRODUCTION

from crashloop.apps import render
from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Moment, Role, Transport, Verdict

if TYPE_CHECKING:
    from crashloop.model import Scenario, Trigger
    from crashloop.trace.event import Trace

HIDES = "supervisor-hides-the-failure"
NO_NAME = "name-does-not-resolve-for-ever"
SIDECAR = "sidecar-proxy-not-listening-yet"
OTHERS = {"held": REPRODUCTION, "killed": KILLED, "slots": SLOTS}
PLACES = dict.fromkeys(
    ("host", "port", "python", "seed", "replica", "attempt", "replicas", "redis.url"), "1"
)


def workers_of(scenario: Scenario) -> str:
    """How many processes uvicorn is told to start."""
    values = {**PLACES, "postgres.url": "postgresql://app@host/app"}
    return render(scenario.app, values, TimeScale())[1]["WEB_CONCURRENCY"]


def moments(trigger: Trigger) -> list[tuple[str, Any]]:
    return [(one.on, one.after_s) for one in trigger.first_of if isinstance(one, Moment)]


def verdict(trace: Trace, name: str) -> Verdict:
    return judge(trace, incident(name).scenario().signature).verdict


def test_a_failure_that_the_server_hides_is_reproduced() -> None:
    judgement = judge(HIDDEN)
    assert judgement.verdict is Verdict.REPRODUCED, judgement.reason


def test_workers_of_one_life_count_as_one_attempt() -> None:
    says = {finding.check: finding.says for finding in judge(HIDDEN).findings}
    assert "57P03 to 1 attempt that" in says["server_said"]
    assert "for 1 failed attempt" in says["faults_have_receipts"]


@pytest.mark.parametrize("trace", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", [HIDES, NO_NAME, SIDECAR])
def test_other_outages_are_none_of_these(name: str, trace: Trace) -> None:
    assert verdict(trace, name) is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize("name", [NO_NAME, SIDECAR, "issue-1278"])
def test_a_failure_that_the_server_hides_is_none_of_the_others(name: str) -> None:
    assert verdict(HIDDEN, name) is Verdict.NOT_REPRODUCED


def test_the_sample_app_has_one_process_unless_an_incident_asks_for_workers() -> None:
    hides = incident(HIDES)
    assert workers_of(hides.scenario()) == "2"
    assert workers_of(hides.scenario(workers=4)) == "4"
    assert workers_of(hides.scenario(Role.REMEDY)) == "1"
    assert workers_of(incident("issue-1278").scenario()) == "1"


def test_a_name_stays_unknown_for_as_long_as_the_platform_restarts_the_app() -> None:
    scenario = incident(NO_NAME).scenario()
    assert moments(scenario.faults[0].heal) == [("restart.gave_up", 0.0)]
    assert scenario.dependency("postgres").host
    assert scenario.dependency("postgres").transport is Transport.TCP


def test_only_a_container_that_is_recreated_finds_the_name() -> None:
    (fault,) = incident(NO_NAME).scenario(Role.REMEDY).faults
    assert moments(fault.heal) == [("process.exited", 0.0)]


def test_an_app_that_never_reached_its_database_is_not_asked_what_it_left_there() -> None:
    asked = {spec.check for spec in incident(NO_NAME).scenario().signature.expect}
    assert "never_came" in asked
    assert "no_connection_left" not in asked


def test_a_side_car_listens_for_the_second_life_or_for_one_that_waits() -> None:
    (fault,) = incident(SIDECAR).scenario(listens_s=3).faults
    assert moments(fault.heal) == [("process.exited", 0.0), ("phase.started", 3.0)]

"""Incidents of what starts the app, and beside what: workers, a side-car, a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import REPRODUCTION

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Moment, Role, Transport, Verdict

if TYPE_CHECKING:
    from crashloop.model import Trigger
    from crashloop.trace.event import Trace

NO_NAME = "name-does-not-resolve-for-ever"
SIDECAR = "sidecar-proxy-not-listening-yet"
OTHERS = {"held": REPRODUCTION, "killed": KILLED, "slots": SLOTS}


def moments(trigger: Trigger) -> list[tuple[str, Any]]:
    return [(one.on, one.after_s) for one in trigger.first_of if isinstance(one, Moment)]


def verdict(trace: Trace, name: str) -> Verdict:
    return judge(trace, incident(name).scenario().signature).verdict


@pytest.mark.parametrize("trace", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", [NO_NAME, SIDECAR])
def test_other_outages_are_none_of_these(name: str, trace: Trace) -> None:
    assert verdict(trace, name) is Verdict.NOT_REPRODUCED


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

"""What tells the outages of instances without egress from each other and from their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import CONTROL, REPRODUCTION, reproduction

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Role, Verdict

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

EARLY, LATE = "egress-cold-start-early-port", "egress-cold-start-late-port"
HALF_FIXED = "half-fixed-probe-connection"
TELLS = {
    EARLY: {"exit_code", "port_before_ready", "probe_passed", "users_failed"},
    LATE: {"each_life_waited", "probe_passed"},
    HALF_FIXED: {"connected_before"},
}
"""The checks that each must refute of a run that hangs at its limit for another reason."""


@pytest.mark.parametrize("name", TELLS)
@pytest.mark.parametrize(
    "trace",
    [REPRODUCTION, reproduction(deaths=2), KILLED, SLOTS],
    ids=["issue-1278", "two deaths", "retry-longer-than-the-probe", "slots-exhausted"],
)
def test_another_outage_is_not_taken_for_it(name: str, trace: Trace) -> None:
    judgement = judge(trace, incident(name).scenario().signature)
    assert judgement.verdict is Verdict.NOT_REPRODUCED, judgement.reason


@pytest.mark.parametrize("name", TELLS)
def test_a_path_that_hangs_until_it_is_healed_refutes_what_tells_it_apart(name: str) -> None:
    trace = reproduction(deaths=2)
    judgement = judge(trace, incident(name).scenario().signature)
    refuted = {finding.check for finding in judgement.findings if finding.holds is False}
    assert TELLS[name] <= refuted


@pytest.mark.parametrize(("name", "is_early"), [(EARLY, True), (LATE, False), (HALF_FIXED, False)])
def test_only_an_app_that_listens_first_may_open_its_port_early_without_a_fault(
    name: str, is_early: bool
) -> None:
    one = incident(name)
    healthy = {spec.check for spec in one.healthy(one.scenario(Role.CONTROL)).expect}
    assert ("no_port_before_ready" not in healthy) is is_early


def test_a_healthy_run_is_none_of_them() -> None:
    for name in TELLS:
        signature = incident(name).scenario(Role.CONTROL).signature
        assert judge(CONTROL, signature).verdict is Verdict.NOT_REPRODUCED

"""Incidents in which instances keep each other from starting: each knows itself, and no other."""

from __future__ import annotations

import pytest
from crashloop_outages import KILLED, SLOTS
from crashloop_restarts import HERD, STUCK, WORKERS
from crashloop_traces import REPRODUCTION

from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.incidents.restart_herd import CAPACITY
from crashloop.judge import judge, recorded_signature
from crashloop.model import Role, Verdict

OWN = {
    "restart-herd": HERD,
    "rollout-deadlock-on-slots": STUCK,
    "workers-times-pool": WORKERS,
}
OTHERS = {
    "issue-1278": REPRODUCTION,
    "retry-longer-than-the-probe": KILLED,
    "slots-exhausted-at-scale-out": SLOTS,
}


@pytest.mark.parametrize("name", OWN)
def test_its_signature_holds_for_its_own_outage(name: str) -> None:
    judgement = judge(OWN[name])
    assert judgement.verdict is Verdict.REPRODUCED, judgement.reason


@pytest.mark.parametrize(
    ("name", "other", "check"),
    [
        ("restart-herd", "issue-1278", "stayed_down"),
        ("restart-herd", "retry-longer-than-the-probe", "stayed_down"),
        ("restart-herd", "slots-exhausted-at-scale-out", "stayed_down"),
        ("restart-herd", "rollout-deadlock-on-slots", "stayed_down"),
        ("rollout-deadlock-on-slots", "slots-exhausted-at-scale-out", "rollout_stuck"),
        ("rollout-deadlock-on-slots", "workers-times-pool", "rollout_stuck"),
        ("rollout-deadlock-on-slots", "issue-1278", "rollout_stuck"),
        ("workers-times-pool", "slots-exhausted-at-scale-out", "came_from_several"),
        ("workers-times-pool", "rollout-deadlock-on-slots", "came_from_several"),
        ("workers-times-pool", "restart-herd", "came_from_several"),
        ("slots-exhausted-at-scale-out", "rollout-deadlock-on-slots", "old_revision_held"),
        ("slots-exhausted-at-scale-out", "workers-times-pool", "a_replica_served"),
        ("issue-1278", "restart-herd", "exit_code"),
    ],
)
def test_its_signature_refutes_its_neighbours(name: str, other: str, check: str) -> None:
    traces = OWN | OTHERS
    judgement = judge(traces[other], recorded_signature(traces[name]))
    assert judgement.verdict is Verdict.NOT_REPRODUCED, judgement.reason
    assert [each.holds for each in judgement.findings if each.check == check] == [False]


def test_a_rollout_ends_the_old_instance_when_the_new_one_is_ready() -> None:
    (fault,) = incident("rollout-deadlock-on-slots").scenario().faults
    assert "ready.answered (replica 1, ready True)" in str(fault.heal)


def test_the_new_instance_wants_more_than_the_old_one_leaves_and_a_lazy_pool_does_not() -> None:
    one = incident("rollout-deadlock-on-slots")
    eager, lazy = (
        one.scenario(role, max_connections=40) for role in (Role.REPRODUCTION, Role.REMEDY)
    )
    free = 40 - 3 - int(eager.replicas.old_knobs["warm_connections"])
    assert int(lazy.app.knobs["warm_connections"]) < free < int(eager.app.knobs["warm_connections"])


def test_two_readers_at_once_take_longer_than_the_limit_and_one_does_not() -> None:
    scenario = incident("restart-herd").scenario(limit_s=30)
    (work_s,) = (f.params["work_s"] for f in scenario.faults if f.kind == "shared_capacity")
    assert 30 / 2 < float(work_s) <= 0.8 * 30
    assert scenario.journey_after_heal


def test_a_herd_serves_with_that_capacity_before_it_crashes() -> None:
    capacity, crash = incident("restart-herd").scenario(replicas=3).faults
    assert all(f"ready.answered (replica {n}, attempt 1" in str(capacity.inject) for n in (1, 2, 3))
    assert str(crash.inject) == f"10 s after fault.injected (fault {CAPACITY})"


@pytest.mark.parametrize("remedy", ["", "jitter"])
def test_a_herd_that_nobody_dies_of_gets_no_more_capacity_before_all_are_ready(remedy: str) -> None:
    scenario = incident("restart-herd").scenario(Role.REMEDY, remedy=remedy, replicas=3)
    (capacity,) = (each for each in scenario.faults if each.name == CAPACITY)
    without_a_death = [
        str(each)
        for each in capacity.heal.first_of
        if "process.exited" not in str(each) and "plugged False" not in str(each)
    ]
    (all_ready,) = without_a_death
    assert all(f"ready.answered (replica {number}, " in all_ready for number in (1, 2, 3))


def test_a_herd_has_a_second_remedy_that_goes_by_its_name() -> None:
    herd = incident("restart-herd")
    first, second = (herd.scenario(Role.REMEDY, remedy=name) for name in ("", "jitter"))
    assert (first.remedy, second.remedy) == ("admission", "jitter")
    assert first.app.knobs["admission"] == 1
    assert second.app.knobs["admission"] == 0
    reads_s = 4 * sum(float(f.params.get("work_s", 0.0)) for f in second.faults)
    assert float(second.app.knobs["retry_first_pause_s"]) > reads_s
    with pytest.raises(UsageError, match="there is no remedy 'jitters'"):
        herd.scenario(Role.REMEDY, remedy="jitters")


def test_a_worker_that_may_still_fail_is_waited_for_with_the_remedy() -> None:
    (fault,) = incident("workers-times-pool").scenario(Role.REMEDY).faults
    assert str(fault.heal) == "30 s after ready.answered (ready True)"

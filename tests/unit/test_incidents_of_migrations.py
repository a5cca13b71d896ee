"""The outages of migrations and of a database that recovers, and what could be taken for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_outages import KILLED, SLOTS
from crashloop_own_apps import SHOP
from crashloop_traces import REPRODUCTION

from crashloop.faults.database.lock_orphaned import KEY, LockOrphaned
from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Role, Verdict

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

NAMES = (
    "database-still-recovering",
    "liveness-kills-the-migration",
    "orphaned-advisory-lock-behind-a-pooler",
)
NEIGHBOURS = {
    "a connector that scales": REPRODUCTION,
    "slots that run out": SLOTS,
    "a start-up probe that ends retries": KILLED,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trace", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_the_trace_of_a_neighbour_is_refuted(name: str, trace: Trace) -> None:
    judgement = judge(trace, incident(name).scenario().signature)
    assert judgement.verdict is Verdict.NOT_REPRODUCED, judgement.reason


def test_the_liveness_probe_begins_with_the_app_unless_a_start_up_probe_passes_first() -> None:
    killed = incident("liveness-kills-the-migration")
    before, after = (killed.scenario(role).platform for role in (Role.REPRODUCTION, Role.REMEDY))
    assert before.startup is None
    assert before.liveness is not None
    liveness, startup = before.liveness, after.startup
    assert liveness.delay_s + liveness.period_s * liveness.failures == 100.0
    assert startup is not None
    assert startup.period_s * startup.failures == 600.0
    assert after.liveness == liveness


@pytest.mark.parametrize("replicas", [2, 4])
def test_every_replica_but_the_first_dies_of_the_orphaned_lock(replicas: int) -> None:
    scenario = incident("orphaned-advisory-lock-behind-a-pooler").scenario(replicas=replicas)
    (fault,) = scenario.faults
    died, _ = fault.heal.first_of
    assert str(died) == ", and ".join(
        f"process.exited (replica {number}, attempt 2)" for number in range(2, replicas + 1)
    )
    assert scenario.app.knobs["migration_lock"] == fault.params["advisory"] == KEY


def test_an_app_of_the_users_own_says_under_which_key_it_takes_its_lock() -> None:
    sample = incident("issue-1278").scenario().app
    assert "advisory=KEY" in LockOrphaned().why_not(SHOP)
    assert LockOrphaned(advisory=7).why_not(SHOP) == LockOrphaned().why_not(sample) == ""

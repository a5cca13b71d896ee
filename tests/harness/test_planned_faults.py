"""Each fault of a server or of the replicas in the real lab: plugged, unplugged, and broken."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from mutant_apps import mutant
from mutant_runs import caught, options, unmet
from mutants.harness_parts import IdlePorts, LyingPorts, engine_with_ports

from app_under_test.database import SCHEMA_LOCK_KEY
from crashloop.faults import fault_kind, plan
from crashloop.incidents.incident import Incident, Outage, Remedy, recovery
from crashloop.lab import run_scenario
from crashloop.model import CheckSpec, Dependency, Moment, Replicas, Role, Trigger, Verdict
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashloop.model import AppUnderTest, Scenario, Value

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what is stopped")


@dataclass(frozen=True)
class Case:
    """What a fault needs so that the app's first life fails in a phase."""

    target: str = "postgres"
    phase: str = "database"
    params: Mapping[str, Value] = field(default_factory=dict)
    knobs: Mapping[str, Value] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)
    replicas: Replicas = field(default_factory=Replicas)


CASES = {
    "slots_taken": Case(),
    "starting_up": Case(),
    "paused": Case(),
    "lock_held": Case(params={"advisory": SCHEMA_LOCK_KEY}),
    "loading": Case(target="redis", phase="cache", knobs={"cache_critical": True}),
    "revision_change": Case(
        target="replicas",
        settings={"max_connections": 20},  # enough for one instance, not for two
        knobs={"warm_connections": 10},
        replicas=Replicas(overlap=1),
    ),
}
KINDS = [pytest.param(kind, marks=[linux_only] * (kind == "paused")) for kind in CASES]
PLUGGED = [
    pytest.param(kind, marks=[linux_only if kind == "paused" else pytest.mark.slow])
    for kind in CASES
]


def one_death(kind: str, role: Role, app: AppUnderTest | None = None) -> Scenario:
    """The fault is on from the baseline to the first death, and the app comes back."""
    case = CASES[kind]
    opened = "postgres" if case.target == "replicas" else case.target
    fault = plan(
        name="f",
        target=case.target,
        kind=kind,
        params=case.params,
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": opened}),)),
        heal=Trigger(first_of=(Moment(on="process.exited", where={"replica": 1, "attempt": 1}),)),
    )
    outage = Outage(
        phase=case.phase,
        target=opened,
        dependencies=(
            Dependency(name="postgres", kind="postgres", settings=case.settings),
            Dependency(name="redis", kind="redis"),
        ),
        platform=parse_platform("docker:on-failure:2"),
        replicas=case.replicas,
        faults=(fault,),
        deadline_s=200.0,
        knobs=case.knobs,
    )
    incident = Incident(
        name=kind,
        title=kind,
        source="none",
        facts=(),
        look_alikes=(),
        remedy=Remedy(name="none", says="none"),
        parameters={},
        outage=lambda _: outage,
        expect=lambda _: (
            CheckSpec(check="exit_code", params={"code": 3, "times": 1}),
            CheckSpec(check="restart_loop", params={"restarts": 1}),
            *recovery(case.phase),
        ),
    )
    return incident.scenario(role, app)


@pytest.mark.parametrize("kind", PLUGGED)
async def test_a_fault_that_is_plugged_has_receipts_and_is_reproduced(
    kind: str, tmp_path: Path
) -> None:
    run = await run_scenario(one_death(kind, Role.REPRODUCTION), options(tmp_path))
    assert run.verdict is Verdict.REPRODUCED, run.judgement.reason
    assert run.trace.of(*fault_kind(kind).receipt.kinds)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_that_is_unplugged_lacks_its_receipt_alone(kind: str, tmp_path: Path) -> None:
    grade = fault_kind(kind).receipt.grade
    scenario = one_death(kind, Role.UNPLUGGED)
    run = await caught(
        scenario,
        options(tmp_path),
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        f"has no {grade} receipt: nothing shows that it acted on the app",
    )
    required = {spec.check for spec in scenario.signature.require}
    assert unmet(run) & required == {"faults_have_receipts", "receipts_not_contradicted"}
    assert "(faults_have_receipts)" in run.judgement.reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["starting_up", "paused", "loading"])
async def test_a_fault_that_does_nothing_is_caught(kind: str, tmp_path: Path) -> None:
    grade = fault_kind(kind).receipt.grade
    await caught(
        one_death(kind, Role.REPRODUCTION),
        replace(options(tmp_path), engine=engine_with_ports(IdlePorts)),
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        f"has no {grade} receipt",
    )


@pytest.mark.slow
async def test_a_server_that_is_only_said_to_be_stopped_is_caught(tmp_path: Path) -> None:
    hangs_on_its_own = mutant("waits_after_connecting", MUTANT_DEATHS="1")
    run = await caught(
        one_death("paused", Role.REPRODUCTION, hangs_on_its_own),
        replace(options(tmp_path), engine=engine_with_ports(LyingPorts)),
        Verdict.INCONCLUSIVE,
        "receipts_not_contradicted",
        "attempt 1 got an answer from it meanwhile",
    )
    assert unmet(run) == {"receipts_not_contradicted"}

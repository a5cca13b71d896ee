"""What a run of a proof fails to show although its verdict is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from canned_machine import TOO_FAST, CannedMachine
from crashloop_edits import without
from crashloop_traces import NAME_ERROR, TraceBuilder, control, link_of, reproduction

from crashloop.incidents import incident
from crashloop.model import Fate, Finding, Judgement, Outcome, Role, Verdict
from crashloop.options import RunOptions
from crashloop.proof import EXPECTED, Proof, Step, assess, prove
from crashloop.run import Run

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

CHECKS = ("faults_have_receipts", "recovered", "journey_passed")


def run(role: Role, *findings: Finding) -> Run:
    """A run that ended with its role's verdict; nobody died in it.

    Findings that are not given hold.
    """
    scenario = incident("issue-1278").scenario(role)
    given = {one.check: one for one in findings}
    signature = scenario.signature
    findings = tuple(
        given.get(spec.check, Finding(check=spec.check, role=part, holds=True, says=""))
        for part, specs in (("require", signature.require), ("expect", signature.expect))
        for spec in specs
    )
    return Run(
        scenario=scenario,
        trace=control(),
        judgement=Judgement(verdict=EXPECTED[role], reason="", findings=findings),
        artifacts=Path("evidence"),
        seed=1,
        command="",
    )


def finding(check: str, *, holds: bool | None = True) -> Finding:
    return Finding(check=check, role="require", holds=holds, says=f"{check} is {holds}")


def test_a_remedy_that_shows_everything_required_is_enough() -> None:
    assert assess(run(Role.REMEDY, *map(finding, CHECKS))).ok


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("holds", [False, None])
def test_a_remedy_must_show_each_thing_required(check: str, holds: bool | None) -> None:
    others = [finding(name) for name in CHECKS if name != check]

    step = assess(run(Role.REMEDY, *others, finding(check, holds=holds)))

    assert step.shortfall == f"{check} is {holds}"


def test_a_remedy_that_ends_an_outage_need_not_keep_lives_from_dying() -> None:
    died = replace(run(Role.REMEDY, *map(finding, CHECKS)), trace=reproduction())

    assert "ended with exit 3" in assess(died).shortfall
    assert assess(died, prevents=False).ok


def test_with_a_remedy_that_ends_an_outage_the_app_must_be_back() -> None:
    ends = run(Role.REMEDY, *map(finding, CHECKS))
    down = replace(ends, trace=without(reproduction(), "ready.answered"))
    useless = replace(ends, trace=without(reproduction(), "journey.step"))

    assert "never ready after the heal" in assess(down, prevents=False).shortfall
    assert "no step of the journey passed" in assess(useless, prevents=False).shortfall


def test_without_the_fault_nobody_may_die_whatever_the_remedy_does() -> None:
    checks = ("faults_have_receipts", "receipts_not_contradicted")
    unplugged = run(Role.UNPLUGGED, *(finding(check, holds=None) for check in checks))
    died = replace(unplugged, trace=reproduction())

    assert "ended with exit 3" in assess(died, prevents=False).shortfall


def test_a_signature_that_asks_nothing_of_the_remedy_cannot_show_that_it_works() -> None:
    asked = run(Role.REMEDY, *map(finding, CHECKS))
    signature = asked.scenario.signature
    nothing = replace(
        asked.scenario,
        signature=replace(
            signature,
            require=tuple(replace(spec, with_remedy=False) for spec in signature.require),
            expect=tuple(replace(spec, with_remedy=False) for spec in signature.expect),
        ),
    )
    assert "asks for nothing" in assess(replace(asked, scenario=nothing)).shortfall


def test_an_unplugged_run_is_inconclusive_for_its_missing_receipt_alone() -> None:
    checks = ("faults_have_receipts", "receipts_not_contradicted")
    missing = [finding(check, holds=None) for check in checks]
    assert assess(run(Role.UNPLUGGED, *missing)).ok
    gap = finding("evidence_complete", holds=None)
    assert assess(run(Role.UNPLUGGED, *missing, gap)).shortfall == "evidence_complete is None"
    assert not assess(run(Role.UNPLUGGED, *map(finding, checks))).ok


def died_without_a_fault(*, served: bool) -> Trace:
    """A control run whose first life ended on its own, after it had served or in phase init."""
    builder = TraceBuilder(incident("issue-1278").scenario(Role.CONTROL))
    builder.opening()
    if served:
        builder.serving(1)
        builder.closed(link_of(1), 1, first_bytes_ns=builder.now_ns)
    else:
        builder.started(1)
        builder.phase("init", 1, error=NAME_ERROR)
    builder.exited(1, code=1)
    builder.restarting(1)
    if served:
        builder.life(2)
    builder.ending()
    return builder.trace()


@pytest.mark.parametrize("served", [True, False])
async def test_a_proof_ends_with_a_control_run_that_is_not_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, served: bool
) -> None:
    CannedMachine(monkeypatch, died_without_a_fault(served=served))

    proof = await prove(incident("issue-1278"), {}, RunOptions(artifacts=tmp_path))

    (step,) = proof.steps
    assert "attempt 1 ended with exit 1" in step.shortfall
    assert proof.verdict is Verdict.INCONCLUSIVE


async def test_a_run_of_a_proof_that_was_too_fast_for_the_machine_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = CannedMachine(monkeypatch, TOO_FAST, died_without_a_fault(served=True))

    proof = await prove(incident("issue-1278"), {}, RunOptions(artifacts=tmp_path, slower=1))

    assert machine.folders == ["control", "control-slower-1"]
    assert [step.run.artifacts.name for step in proof.steps] == ["control-slower-1"]


@pytest.mark.parametrize(
    ("outcome", "shortfall", "says"),
    [
        (Outcome.SURVIVED, "", "the remedy patience ends it: with it, the app survived"),
        (Outcome.NOT_RECOVERED, "it was not ready again", ""),
    ],
)
def test_only_a_remedy_that_helped_is_said_to_end_the_outage(
    outcome: Outcome, shortfall: str, says: str
) -> None:
    fate = Fate(outcome=outcome, why=shortfall, flags={})
    done = cast("Any", SimpleNamespace(fate=fate, scenario=SimpleNamespace(remedy="patience")))
    step = Step(role=Role.REMEDY, run=done, shortfall=shortfall)
    proof = Proof(incident="issue-1278", seed=7, steps=(step,), artifacts=Path("evidence"))
    assert proof.remedied == says

"""The proof of issue 1278, and a closer look at its reproduction and its log."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from failure_pattern import failure_pattern
from mutant_runs import SLOWER

from crashloop.cloud_logging import MODELLED
from crashloop.incidents import incident
from crashloop.incidents.issue_1278 import TIME_OUTS_AND_CONNECTION_ERRORS
from crashloop.loops import loops_of
from crashloop.model import Life, Pattern, Role, Verdict
from crashloop.options import RunOptions
from crashloop.proof import Proof, prove

if TYPE_CHECKING:
    from crashloop.run import Run


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    folder = tmp_path_factory.mktemp("proof") / "runs"
    options = RunOptions(artifacts=folder, slower=SLOWER)
    return asyncio.run(prove(incident("issue-1278"), {}, options))


@pytest.fixture
def run(proof: Proof) -> Run:
    return next(step.run for step in proof.steps if step.role is Role.REPRODUCTION)


def test_the_four_runs_of_the_proof_end_as_they_must(proof: Proof) -> None:
    assert proof.proven, [(step.role, step.shortfall) for step in proof.steps]
    by_role = {step.role: step for step in proof.steps}
    healthy = by_role[Role.CONTROL].healthy
    assert healthy is not None
    assert healthy.verdict is Verdict.REPRODUCED
    unplugged = by_role[Role.UNPLUGGED].run
    assert unplugged.verdict is Verdict.INCONCLUSIVE
    assert "faults_have_receipts" in unplugged.judgement.reason
    assert all(not event.data["plugged"] for event in unplugged.trace.of("fault.injected"))
    remedied = by_role[Role.REMEDY].run.trace
    answered, *_, stored = remedied.of("journey.step")
    assert answered.mono_ns < remedied.of("fault.healed")[0].mono_ns < stored.mono_ns
    assert (stored.source, stored.target) == ("database", "postgres")


def test_the_incident_is_a_restart_loop_and_its_remedy_a_slow_start(proof: Proof) -> None:
    by_role = {step.role: loops_of(step.run.trace)[0] for step in proof.steps}
    loop = by_role[Role.REPRODUCTION]
    assert (loop.pattern, loop.starts, loop.deaths) == (Pattern.RESTART_LOOP, 4, 3)
    assert loop.was_reset is True, "a life of 20 s makes Docker forget its back-off"
    assert loop.cycle_s == pytest.approx(21.0, abs=3.0), "20 s, and what a process needs"
    assert loop.recovery is not None
    assert by_role[Role.REMEDY].pattern is Pattern.SLOW_START
    assert by_role[Role.CONTROL].pattern is Pattern.STARTED


def test_complete_start_up_failure(run: Run) -> None:
    assert run.verdict is Verdict.REPRODUCED
    failed = run.trace.of("phase.failed")
    assert [event.data["phase"] for event in failed] == ["database"] * 3
    assert {error["type"] for event in failed for error in event.data["error"]} >= {"TimeoutError"}
    for life in (Life(1, 1), Life(1, 2), Life(1, 3)):
        done = [event.data["phase"] for event in run.trace.of("phase.completed", life=life)]
        assert done == ["init", "dependencies"]
        assert not run.trace.of("port.opened", life=life)
        assert run.trace.of("link.held", life=life)


def test_container_restart_cycle(run: Run) -> None:
    deaths = [event for event in run.trace.of("process.exited") if not event.data["requested"]]
    starts = run.trace.of("process.started")
    assert [event.data["exit_code"] for event in deaths] == [3, 3, 3]
    assert len({event.data["pid"] for event in starts}) == len(starts) == 4
    boots = [event.data["boot_id"] for event in run.trace.of("startup.started")]
    assert len(set(boots)) == 4
    for died, started in zip(deaths, starts[1:], strict=True):
        assert started.mono_ns > died.mono_ns
    recovered = [e.data["phase"] for e in run.trace.of("phase.completed", life=Life(1, 4))]
    assert recovered == list(run.scenario.app.phases)
    assert run.trace.of("journey.step")[-1].source == "database"


def test_failure_pattern_in_the_logs(run: Run) -> None:
    text = (run.artifacts / "cloud-logging.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]

    result = failure_pattern(
        entries, phase="database", code=3, times=3, errors=TIME_OUTS_AND_CONNECTION_ERRORS
    )
    assert result.holds, result.says
    modelled = [entry for entry in entries if MODELLED in entry["labels"]]
    assert [entry["textPayload"] for entry in modelled] == ["Container called exit(3)."] * 3
    assert {entry["labels"][MODELLED] for entry in modelled} == {"true"}


def test_every_path_is_proven_before_the_fault_begins(run: Run) -> None:
    (injected,) = run.trace.of("fault.injected")
    passed = run.trace.of("baseline.passed")
    assert [event.target for event in passed] == ["postgres", "redis"]
    assert all(event.mono_ns < injected.data["begun_ns"] for event in passed)

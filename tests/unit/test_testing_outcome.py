"""The outcome of the user's own app in a test: what it can assert, and what a failure shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from own_runs import a_fate, broken_harness, ended, never_started, run_of
from report_runs import Told, own_app

from crashloop.errors import HarnessError, UsageError
from crashloop.model import Outcome, Role, Verdict
from crashloop.proof import Proof, Step
from crashloop.run import evidence_files, write_evidence
from crashloop.testing import (
    HARNESS_ERROR,
    INCONCLUSIVE,
    NEVER_STARTED,
    NOT_RECOVERED,
    RECOVERED,
    SURVIVED,
    LabProof,
    LabRun,
    OutcomeMismatch,
    VerdictMismatch,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.run import Run


def lab_run(run: Run) -> LabRun:
    return LabRun(run, again="pytest test_x.py::test_x")


@pytest.mark.parametrize("expected", [RECOVERED, "RECOVERED", "recovered"])
def test_the_expected_outcome_returns_the_run(tmp_path: Path, expected: Outcome | str) -> None:
    run = lab_run(ended(RECOVERED, tmp_path))
    assert run.expect_outcome(expected) is run
    assert run.outcome is RECOVERED
    assert run.flags == {"data_lost"}
    assert run.fate is not None
    assert run.fate.why == "so it was"


def test_another_outcome_shows_its_reason_the_timeline_and_the_last_lines_of_the_app(
    tmp_path: Path,
) -> None:
    run = lab_run(ended(NOT_RECOVERED, tmp_path, advice="retry in the process", deaths=2))
    with pytest.raises(OutcomeMismatch) as failure:
        run.expect_outcome(RECOVERED)
    assert (failure.value.expected, failure.value.outcome) == (RECOVERED, NOT_RECOVERED)
    text = str(failure.value)
    assert text.startswith(
        "issue-1278 (reproduction) of app shop ended NOT_RECOVERED, expected RECOVERED\n"
        "  because so it was\n"
        "  2 deaths\n"
        "  data_lost: order 7 is gone\n"
        "  what helps: retry in the process\n"
    )
    for part in (
        "control     ✓ setup took 2.1 s here",
        "attempt 2  ",
        "Last lines of attempt 2  (attempt-2.log)\n  TimeoutError: too slow\n",
        f"trace: {tmp_path / 'trace.jsonl'}\n",
        "run again: pytest test_x.py::test_x",
    ):
        assert part in text


def test_another_verdict_of_an_own_app_shows_its_outcome_too(tmp_path: Path) -> None:
    with pytest.raises(VerdictMismatch) as failure:
        lab_run(ended(RECOVERED, tmp_path)).expect(INCONCLUSIVE)
    assert "\noutcome RECOVERED\n  because so it was\n" in str(failure.value)
    assert "Last lines of attempt 2" in str(failure.value)


def test_a_run_of_the_sample_app_has_no_outcome_to_expect(tmp_path: Path) -> None:
    run = lab_run(run_of(Told().ready().end(1), None, tmp_path))
    assert (run.outcome, run.flags, run.fate) == (None, frozenset(), None)
    with pytest.raises(UsageError, match="a run of the sample app, which has no outcome"):
        run.expect_outcome(SURVIVED)


def test_an_unknown_outcome_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown outcome 'fine'(?s:.)*SURVIVED, RECOVERED"):
        lab_run(ended(RECOVERED, tmp_path)).expect_outcome("fine")


def test_a_run_of_an_app_that_never_started_is_no_test_unless_it_expects_that(
    tmp_path: Path,
) -> None:
    run = lab_run(never_started(tmp_path))
    run.expect(INCONCLUSIVE)
    failure = run.unanswered_failure()
    assert isinstance(failure, UsageError)
    assert failure.message == (
        "issue-1278 (reproduction) of app shop ended NEVER_STARTED, so nothing was tested: without "
        "a fault, it exited with 1"
    )
    assert "run.expect_outcome(NEVER_STARTED)" in failure.hint
    assert "KeyError: 'DATABASE_URL'" in failure.hint

    run.expect_outcome(NEVER_STARTED)
    assert run.unanswered_failure() is None


@pytest.mark.parametrize("by_verdict", [True, False])
def test_a_mismatch_tells_that_the_app_never_started(tmp_path: Path, by_verdict: bool) -> None:
    run = lab_run(never_started(tmp_path))
    with pytest.raises((VerdictMismatch, OutcomeMismatch)) as failure:
        run.expect(HARNESS_ERROR) if by_verdict else run.expect_outcome(RECOVERED)
    assert "Last lines of the control life  (control.log)\n  KeyError" in str(failure.value)
    assert failure.value.tells_failure


def test_an_expected_outcome_is_no_answer_to_a_broken_harness(tmp_path: Path) -> None:
    run = lab_run(broken_harness(tmp_path))
    run.expect_outcome("INCONCLUSIVE")
    assert isinstance(run.unanswered_failure(), HarnessError)
    assert run.expect(HARNESS_ERROR).unanswered_failure() is None


def test_a_proof_with_an_app_that_never_started_is_no_test_whatever_is_expected(
    tmp_path: Path,
) -> None:
    step = Step(role=Role.CONTROL, run=never_started(tmp_path), shortfall="it never started")
    proof = LabProof(
        Proof(incident="issue-1278", seed=1, steps=(step,), artifacts=tmp_path), again="pytest"
    )
    proof.expect(INCONCLUSIVE)
    assert isinstance(proof.unanswered_failure(), UsageError)


def test_a_proof_as_json_has_the_outcome_of_each_run(tmp_path: Path) -> None:
    runs = (never_started(tmp_path), run_of(Told().ready().end(1), None, tmp_path))
    steps = tuple(Step(role=Role.CONTROL, run=run, shortfall="") for run in runs)
    proof = Proof(incident="issue-1278", seed=1, steps=steps, artifacts=tmp_path)
    assert [run["outcome"] for run in proof.to_json()["runs"]] == ["NEVER_STARTED", None]


def test_the_verdict_on_disk_has_the_outcome_and_the_logs_of_the_control_life(
    tmp_path: Path,
) -> None:
    run = run_of(
        own_app(), a_fate(RECOVERED, exit_codes=(3,)), tmp_path, verdict=Verdict.REPRODUCED
    )
    for name in ("control.log", "attempt-1.log", "other.log"):
        (tmp_path / name).touch()
    write_evidence(run)
    written = json.loads((tmp_path / "verdict.json").read_text())
    assert (written["verdict"], written["outcome"]) == ("REPRODUCED", "RECOVERED")
    assert written["exit_codes"] == [3]
    assert written["flags"] == {"data_lost": "order 7 is gone"}
    assert evidence_files(tmp_path, run.trace) == (
        "attempt-1.log",
        "cloud-logging.jsonl",
        "control.log",
        "verdict.json",
    )

"""What a test gets back from the lab: one run, or the four runs of a proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from crashloop.errors import UsageError
from crashloop.model import Outcome, Verdict
from crashloop.testing.mismatch import (
    OutcomeMismatch,
    VerdictMismatch,
    command_lines,
    control_failure,
    evidence_lines,
    harness_failure,
    is_no_test,
    outcome_evidence_lines,
    run_timeline,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.errors import CrashloopError
    from crashloop.model import Fate, Finding, Scenario
    from crashloop.proof import Proof, Step
    from crashloop.run import Run
    from crashloop.trace.event import Event, Trace


class LabRun:
    """One run of a scenario, and what to assert about it. Made by `Lab.run`.

    `again` is the pytest command that makes the test, and with it the run, happen again.
    """

    def __init__(self, run: Run, *, again: str) -> None:
        self.again = again
        self._run = run
        self._expected = False
        self._expected_outcome = False

    def __repr__(self) -> str:
        return f"<LabRun {self.scenario.incident} {self.scenario.role}: {self.verdict}>"

    @property
    def scenario(self) -> Scenario:
        """What was run."""
        return self._run.scenario

    @property
    def verdict(self) -> Verdict:
        """What the run says about its incident."""
        return self._run.verdict

    @property
    def outcome(self) -> Outcome | None:
        """What the outage did to your own app; None of a run of the sample app."""
        return None if self.fate is None else self.fate.outcome

    @property
    def flags(self) -> frozenset[str]:
        """The names of what else was seen of your own app, such as "data_lost"."""
        return frozenset(map(str, self.fate.flags)) if self.fate else frozenset()

    @property
    def fate(self) -> Fate | None:
        """The outcome with its reason, deaths, exit codes, flags in words, and advice."""
        return self._run.fate

    @property
    def reason(self) -> str:
        """The verdict's reason, one sentence or several joined by semicolons."""
        return self._run.judgement.reason

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What each check of the signature says, with the `seq` of its evidence."""
        return self._run.judgement.findings

    @property
    def trace(self) -> Trace:
        """Everything that happened, in order."""
        return self._run.trace

    @property
    def trace_path(self) -> Path:
        """The trace's file, to be shared or judged again."""
        return self._run.trace_path

    @property
    def artifacts(self) -> Path:
        """The folder with the trace, `verdict.json` and the logs of app and servers."""
        return self._run.artifacts

    @property
    def seed(self) -> int:
        """Every random draw of the run came from it."""
        return self._run.seed

    @property
    def command(self) -> str:
        """The command that makes the same run again, from the trace's header."""
        return self._run.command

    def events(
        self, kind: str, *, attempt: int | None = None, replica: int | None = None
    ) -> list[Event]:
        """The events of a kind such as "phase.failed" (of one attempt, replica), in time order."""
        found = self._run.trace.of(kind)
        found = [e for e in found if attempt in {None, e.attempt}]
        return [e for e in found if replica in {None, e.replica}]

    def timeline(self) -> str:
        """The run's timeline as text: a row for each fault and attempt."""
        return run_timeline(self._run)

    def expect(self, verdict: Verdict | str) -> Self:
        """Return the run if it ended with `verdict`; else raise VerdictMismatch with the evidence.

        A run with a broken harness fails its test, at the latest when the test ends, unless the
        test expects HARNESS_ERROR. So does a run of an app of yours that does not work without a
        fault, whatever its verdict: see `expect_outcome`.
        """
        __tracebackhide__ = True
        expected = read_verdict(verdict)
        if self.verdict is not expected:
            lines = [f"{self._who} ended {self.verdict}, expected {expected}"]
            lines += evidence_lines(self._run)
            lines += command_lines(self.again, self.command)
            raise VerdictMismatch(
                "\n".join(lines),
                expected=expected,
                verdict=self.verdict,
                tells_failure=is_no_test(self._run),
            )
        self._expected = True
        return self

    def expect_outcome(self, outcome: Outcome | str) -> Self:
        """Return the run if `outcome` is the one of your own app; else raise OutcomeMismatch.

        A run of an app that does not work without a fault fails its test, at the latest when the
        test ends, unless the test expects that outcome. Raises UsageError for a run of the sample
        app, which has no outcome.
        """
        __tracebackhide__ = True
        expected, fate = read_outcome(outcome), self.fate
        if fate is None:
            raise UsageError(
                f"{self._who} was a run of the sample app, which has no outcome",
                hint="run an app of your own, lab.run(..., app=NAME), or use run.expect(VERDICT)",
            )
        if fate.outcome is not expected:
            raise self.mismatch(fate, expected, f"expected {expected}")
        self._expected_outcome = True
        return self

    def mismatch(self, fate: Fate, expected: Outcome, wanted: str) -> OutcomeMismatch:
        """The evidence of an outcome that is not the expected one, which `wanted` has in words."""
        lines = [f"{self._who} ended {fate.outcome}, {wanted}"]
        lines += outcome_evidence_lines(self._run, fate)
        lines += command_lines(self.again, self.command)
        return OutcomeMismatch(
            "\n".join(lines),
            expected=expected,
            outcome=fate.outcome,
            tells_failure=is_no_test(self._run),
        )

    @property
    def _who(self) -> str:
        app = f" of app {self.scenario.app.name}" if self.scenario.is_own_app else ""
        return f"{self.scenario.incident} ({self.scenario.role}){app}"

    def unanswered_failure(self) -> CrashloopError | None:
        """Why the run was no test, unless the test has expected that; else None."""
        broke = None if self._expected else harness_failure(self._run)
        return broke or (None if self._expected_outcome else control_failure(self._run))


class LabProof:
    """The four runs of an incident's proof. Made by `Lab.prove`."""

    def __init__(self, proof: Proof, *, again: str) -> None:
        self.again = again
        self._proof = proof
        self._expected = False

    def __repr__(self) -> str:
        return f"<LabProof {self._proof.incident}: {self.verdict}>"

    @property
    def proven(self) -> bool:
        """Whether control, reproduction, remedy and unplugged all ended as they must."""
        return self._proof.proven

    @property
    def verdict(self) -> Verdict:
        """REPRODUCED when proven, else what the worst step says."""
        return self._proof.verdict

    @property
    def steps(self) -> tuple[Step, ...]:
        """Each run with its role and, if it did not end as it must, its shortfall."""
        return self._proof.steps

    @property
    def artifacts(self) -> Path:
        """The folder with `proof.json` and a folder for each run."""
        return self._proof.artifacts

    def expect(self, verdict: Verdict | str) -> Self:
        """Return the proof if it ended with `verdict`; else raise VerdictMismatch.

        The text shows every shortfall, and the evidence of the first run that has one.
        """
        __tracebackhide__ = True
        expected = read_verdict(verdict)
        if self.verdict is not expected:
            who = f"the proof of {self._proof.incident}"
            lines = [f"{who} ended {self.verdict}, expected {expected}"]
            lines += [f"  {s.role}: {s.shortfall or 'ended as it must'}" for s in self.steps]
            shown = next((step.run for step in self.steps if not step.ok), None)
            if shown is not None:
                lines += ["", f"the {shown.scenario.role} run:", *evidence_lines(shown)]
            lines += command_lines(self.again, shown.command if shown else self.again)
            raise VerdictMismatch(
                "\n".join(lines),
                expected=expected,
                verdict=self.verdict,
                tells_failure=any(is_no_test(step.run) for step in self.steps),
            )
        self._expected = True
        return self

    def unanswered_failure(self) -> CrashloopError | None:
        """Why a run of it was no test; a broken harness may be expected, else None."""
        runs = [step.run for step in self.steps]
        broke = [] if self._expected else map(harness_failure, runs)
        return next(filter(None, [*broke, *map(control_failure, runs)]), None)


def read_outcome(outcome: Outcome | str) -> Outcome:
    """The outcome by its name, in any case; UsageError with those there are."""
    try:
        return Outcome(str(outcome).upper())
    except ValueError:
        raise UsageError(
            f"unknown outcome {outcome!r}", hint=f"choose one of {', '.join(Outcome)}"
        ) from None


def read_verdict(verdict: Verdict | str) -> Verdict:
    """The verdict by its name; UsageError with the four there are."""
    try:
        return Verdict(verdict)
    except ValueError:
        raise UsageError(
            f"unknown verdict {verdict!r}", hint=f"choose one of {', '.join(Verdict)}"
        ) from None

"""What a test gets back from the lab: one run, or the four runs of a proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from crashloop.errors import HarnessError, UsageError
from crashloop.model import Verdict
from crashloop.testing.mismatch import (
    VerdictMismatch,
    command_lines,
    evidence_lines,
    harness_failure,
    run_timeline,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Finding, Scenario
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
        test expects HARNESS_ERROR.
        """
        __tracebackhide__ = True
        expected = read_verdict(verdict)
        if self.verdict is not expected:
            who = f"{self.scenario.incident} ({self.scenario.role})"
            lines = [f"{who} ended {self.verdict}, expected {expected}"]
            lines += evidence_lines(self._run)
            lines += command_lines(self.again, self.command)
            raise VerdictMismatch("\n".join(lines), expected=expected, verdict=self.verdict)
        self._expected = True
        return self

    def unanswered_failure(self) -> HarnessError | None:
        """The harness's failure if the test has not expected one, else None."""
        return None if self._expected else harness_failure(self._run)


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
            raise VerdictMismatch("\n".join(lines), expected=expected, verdict=self.verdict)
        self._expected = True
        return self

    def unanswered_failure(self) -> HarnessError | None:
        """The harness's failure if the test has not expected one, else None."""
        broke = [harness_failure(step.run) for step in self.steps]
        return None if self._expected else next(filter(None, broke), None)


def read_verdict(verdict: Verdict | str) -> Verdict:
    """The verdict by its name; UsageError with the four there are."""
    try:
        return Verdict(verdict)
    except ValueError:
        raise UsageError(
            f"unknown verdict {verdict!r}", hint=f"choose one of {', '.join(Verdict)}"
        ) from None

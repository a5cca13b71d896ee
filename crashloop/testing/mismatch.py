"""The text of a failed expectation: its evidence, the timeline and the app's last lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError
from crashloop.model import Verdict
from crashloop.trace.event import CONTROL_FAILED

if TYPE_CHECKING:
    from crashloop.model import Fate, Finding, Outcome
    from crashloop.run import Run


WIDTH = 100


class Mismatch(AssertionError):  # noqa: N818  a finding about the app, not an error of ours
    """A run ended otherwise than the test expected; its text is the evidence.

    `tells_failure`: it also says why the run was no test at all.
    """

    def __init__(self, message: str, *, tells_failure: bool) -> None:
        super().__init__(message)
        self.tells_failure = tells_failure


class VerdictMismatch(Mismatch):
    """A run ended with another verdict than the test expected; its text is the evidence."""

    __module__ = "crashloop.testing"  # where a test imports it from, and what a failure shows

    def __init__(
        self, message: str, *, expected: Verdict, verdict: Verdict, tells_failure: bool
    ) -> None:
        super().__init__(message, tells_failure=tells_failure)
        self.expected = expected
        self.verdict = verdict


class OutcomeMismatch(Mismatch):
    """The user's own app had another outcome than the test expected; its text is the evidence."""

    __module__ = "crashloop.testing"  # likewise

    def __init__(
        self, message: str, *, expected: Outcome, outcome: Outcome, tells_failure: bool
    ) -> None:
        super().__init__(message, tells_failure=tells_failure)
        self.expected = expected
        self.outcome = outcome


def harness_failure(run: Run) -> HarnessError | None:
    """What the harness said when it broke; None if the verdict is another."""
    if run.verdict is not Verdict.HARNESS_ERROR:
        return None
    event = run.trace.first("harness.failed")
    data = event.data if event else {}
    return HarnessError(
        f"{run.scenario.incident} ({run.scenario.role}): "
        f"the harness broke: {_harmless(data.get('message'))}",
        hint=f"{_harmless(data.get('hint') or 'see the last events')}; trace: {run.trace_path}",
    )


def control_failure(run: Run) -> UsageError | None:
    """Why the user's own app does not work without a fault, so that nothing was tested; or None."""
    finished = run.trace.first("run.finished")
    if run.fate is None or finished is None or finished.data.get("how") != CONTROL_FAILED:
        return None
    about = [
        f"if that is what the test is about: run.expect_outcome({run.fate.outcome})",
        *filter(None, run_output(run)),
        f"trace: {run.trace_path}",
    ]
    return UsageError(
        f"{run.scenario.incident} ({run.scenario.role}) of app {run.scenario.app.name} ended "
        f"{run.fate.outcome}, so nothing was tested: {_harmless(run.fate.why)}",
        hint="\n  ".join(about),
    )


def is_no_test(run: Run) -> bool:
    """Whether the run says nothing about the app under a fault."""
    return bool(harness_failure(run) or control_failure(run))


def evidence_lines(run: Run) -> list[str]:
    """Verdict and outcome with their reasons, the timeline, the findings against it, its output."""
    lines = [f"  {_harmless(run.judgement.reason)}"]
    if run.fate is not None:
        lines += [f"outcome {run.fate.outcome}", *_fate_lines(run, run.fate)]
    event = run.trace.first("harness.failed")
    if event is not None and event.data.get("hint"):
        lines.append(f"  {_harmless(event.data['hint'])}")
    lines += ["", run_timeline(run).rstrip(), ""]
    against = [finding for finding in run.judgement.findings if not finding.holds]
    lines += [_line(finding) for finding in against]
    return [*lines, *run_output(run), f"trace: {run.trace_path}"]


def outcome_evidence_lines(run: Run, fate: Fate) -> list[str]:
    """The outcome's reason and what else was seen, the timeline and the app's last lines."""
    lines = [*_fate_lines(run, fate), "", run_timeline(run).rstrip()]
    return [*lines, *run_output(run), f"trace: {run.trace_path}"]


def _fate_lines(run: Run, fate: Fate) -> list[str]:
    from crashloop.report import events, lines  # noqa: PLC0415  likewise
    from crashloop.report import fate as shown  # noqa: PLC0415  likewise

    not_asked = events.history_of(run.trace).not_asked
    return lines.plain(shown.fate_lines(fate, not_asked, width=WIDTH)).splitlines()


def _line(finding: Finding) -> str:
    if finding.holds is None:
        how = "saw nothing"
    else:
        how = "refuted" if finding.role == "expect" else "unmet"
    seqs = f" (seq {', '.join(map(str, finding.evidence))})" if finding.evidence else ""
    return f"{how}: {finding.check}: {_harmless(finding.says)}{seqs}"


def _harmless(says: object) -> str:
    """Words that may quote the app, as the report shows them."""
    from crashloop.report import clean, summary  # noqa: PLC0415  only to show a failure

    return clean.clean(says, summary.MAX_SAYS)


def command_lines(again: str, command: str) -> list[str]:
    """The commands that run it again: by pytest, and without it if `crashloop` alone can."""
    lines = [f"run again: {again}"]
    return lines if command == again else [*lines, f"without pytest: {command}"]


def run_output(run: Run) -> list[str]:
    """The app's last lines if an attempt failed, unless the run was plainly reproduced.

    The lines of the user's own app are always of interest.
    """
    from crashloop.report import events, lines, summary  # noqa: PLC0415  likewise

    if run.verdict is Verdict.REPRODUCED and run.fate is None:
        return []
    found = [*summary.output_lines(events.history_of(run.trace), width=WIDTH)]
    return lines.plain(found).split("\n") if found else []


def run_timeline(run: Run) -> str:
    """The run's timeline as plain text."""
    from crashloop.report import drawing, events, lines  # noqa: PLC0415  likewise

    return lines.plain(drawing.timeline(events.history_of(run.trace), width=WIDTH))

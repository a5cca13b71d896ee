"""The text of a failed expectation: verdict, timeline, findings and the app's last lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.model import Verdict

if TYPE_CHECKING:
    from crashloop.model import Finding
    from crashloop.run import Run


WIDTH = 100


class VerdictMismatch(AssertionError):  # noqa: N818  a finding about the app, not an error of ours
    """A run ended with another verdict than the test expected; its text is the evidence."""

    __module__ = "crashloop.testing"  # where a test imports it from, and what a failure shows

    def __init__(self, message: str, *, expected: Verdict, verdict: Verdict) -> None:
        super().__init__(message)
        self.expected = expected
        self.verdict = verdict


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


def evidence_lines(run: Run) -> list[str]:
    """The verdict with its reason, the timeline, the findings against it, and the trace's path."""
    lines = [f"  {_harmless(run.judgement.reason)}"]
    event = run.trace.first("harness.failed")
    if event is not None and event.data.get("hint"):
        lines.append(f"  {_harmless(event.data['hint'])}")
    lines += ["", run_timeline(run).rstrip(), ""]
    against = [finding for finding in run.judgement.findings if not finding.holds]
    lines += [_line(finding) for finding in against]
    lines += run_output(run)
    return [*lines, f"trace: {run.trace_path}"]


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
    """The app's last lines, if the run was not plainly reproduced and an attempt failed."""
    from crashloop.report import events, lines, summary  # noqa: PLC0415  likewise

    if run.verdict is Verdict.REPRODUCED:
        return []
    return [lines.plain(summary.output_lines(events.history_of(run.trace), width=WIDTH))]


def run_timeline(run: Run) -> str:
    """The run's timeline as plain text."""
    from crashloop.report import drawing, events, lines  # noqa: PLC0415  likewise

    return lines.plain(drawing.timeline(events.history_of(run.trace), width=WIDTH))

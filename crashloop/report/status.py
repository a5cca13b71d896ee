"""Where a run stands, in one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.history import Outcome

if TYPE_CHECKING:
    from crashloop.report.history import AttemptSpan, History


def status(history: History) -> str:
    """What is happening now."""
    if not history.lab_ready and history.making:
        return f"{history.making}; needed once"
    if not history.lab_ready:
        return "Postgres, cache and proxy are starting"
    if not history.attempts:
        return "checking the path to Postgres before any fault"
    attempt = history.attempts[-1]
    return f"attempt {attempt.number}{_doing(attempt, history)}"


def _doing(attempt: AttemptSpan, history: History) -> str:
    phase = attempt.last_phase
    if attempt.exit:
        return f" ended ({attempt.exit})"
    if attempt.ready_s is not None:
        return " is ready; its golden path is being tried"
    if phase is None:
        return " is starting"
    if phase.outcome is not Outcome.RUNNING:
        return f": phase {phase.name} {phase.outcome.value}"
    limit = f" of {history.incident_s(phase.limit_s):.3g} s" if phase.limit_s else ""
    return f": phase {phase.name} for {history.incident_s(phase.took_s):.0f} s{limit}"

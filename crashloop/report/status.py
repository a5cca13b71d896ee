"""Where a run stands, in one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.story import Outcome

if TYPE_CHECKING:
    from crashloop.report.story import AttemptSpan, Story


def status(story: Story) -> str:
    """What goes on now."""
    if not story.lab_ready and story.making:
        return f"{story.making}; needed once"
    if not story.lab_ready:
        return "Postgres, cache and proxy are starting"
    if not story.attempts:
        return "the path to Postgres is tried before any fault"
    attempt = story.attempts[-1]
    return f"attempt {attempt.number}{_doing(attempt, story)}"


def _doing(attempt: AttemptSpan, story: Story) -> str:
    phase = attempt.last_phase
    if attempt.exit:
        return f" ended ({attempt.exit})"
    if attempt.ready_s is not None:
        return " is ready; the golden path is walked"
    if phase is None:
        return " starts its process"
    if phase.outcome is not Outcome.RUNNING:
        return f": phase {phase.name} {phase.outcome.value}"
    limit = f" of {story.incident_s(phase.limit_s):.3g} s" if phase.limit_s else ""
    return f": phase {phase.name} for {story.incident_s(phase.took_s):.0f} s{limit}"

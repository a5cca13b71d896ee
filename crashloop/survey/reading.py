"""What the trace of a run adds to its result: what survival proves, and why nothing was shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.checks.result import UNREADABLE
from crashloop.checks.touches import periods, planned_faults
from crashloop.clock import NS_PER_S
from crashloop.model import Outcome
from crashloop.outcome import has_room, is_idle, served_under_fault
from crashloop.plural import counted
from crashloop.survey.result import Met, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.survey.plan import Planned
    from crashloop.trace.event import Trace


def started_before(result: Result, run: Planned) -> Result:
    """The result of an app that started in the control, and not in the life before this fault."""
    if result.met is not Met.NEVER_STARTED:
        return result
    leaves = f"the time scale of {run.scale:g}, or what the incident sets, leaves it too little"
    then = f"{leaves}: try --real-time, or other parameters with -p"
    if run.remedy:
        then = f"so the remedy {run.remedy} is what it does not start with"
    why = f"{result.why}, and yet it started in the control run: {then}"
    return _changed(result, Met.INCONCLUSIVE, Outcome.INCONCLUSIVE, why)


def read_result(result: Result, trace: Trace, *, idle: str) -> Result:
    """The result with what its trace adds to it.

    `idle` is why the incident cannot happen to an app that its faults never touch; "" if such a run
    shows nothing.
    """
    try:
        if result.outcome is Outcome.SURVIVED:
            return replace(result, proves=_proves(trace))
        if result.outcome is Outcome.INCONCLUSIVE and idle and is_idle(trace):
            return _changed(result, Met.DOES_NOT_APPLY, None, idle)
    except UNREADABLE:  # its outcome says so
        return result
    return result


def _changed(result: Result, met: Met, outcome: Outcome | None, why: str) -> Result:
    applies = met is not Met.DOES_NOT_APPLY
    found = {"applies": applies, "why": why, "outcome": str(outcome) if outcome else None}
    document = {**result.document, **found}
    return replace(result, document=document, met=met, outcome=outcome, why=why)


def _proves(trace: Trace) -> str:
    """What the app did while the outage lasted, in words; "" where only the outcome says so."""
    if has_room(trace):
        return ""
    served, lasted_s = served_under_fault(trace), sum(_lasted_s(trace)) * trace.scale
    if not served or not lasted_s:
        return ""
    journeys = counted(served, "journey")
    return f"it did not die, and served {journeys} in the {lasted_s:.0f} s that the fault was on"


def _lasted_s(trace: Trace) -> Iterator[float]:
    """How long each fault was on, in wall seconds, until the run was over."""
    end_ns = max((event.mono_ns for event in trace.events), default=0)
    for fault in planned_faults(trace):
        for since, until in periods(trace, fault):
            yield (min(until, end_ns) - since) / NS_PER_S

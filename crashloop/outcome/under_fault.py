"""How the app fared while a fault was on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.journey import begun_ns
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import observed, of_replica
from crashloop.checks.result import Result, refuted, saw_nothing
from crashloop.checks.touches import periods, planned_faults
from crashloop.outcome.tries import has_journey, tries_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event, Trace


def not_survived(trace: Trace, died: Sequence[Event]) -> Result | None:
    """Why the app did not survive the faults; None if it did.

    It holds None where nothing shows whether it did.
    """
    if died:
        return refuted("it died", died)
    for number in trace.replicas():
        answers = of_replica(observed(trace, "ready.answered"), number)
        before = [e for e in answers if _on(trace, e.mono_ns) or _just_before(trace, e, answers)]
        last = before[-1:]
        if not last or last[0].data.get("ready") is not True:
            return refuted("it was not ready under the fault", last)
    tries = tries_under_fault(trace)
    if failed := [e for e in tries if e.data.get("passed") is not True]:
        return refuted(f"its journey failed under the fault: {failed[0].data.get('why')}", failed)
    if not tries and has_journey(trace):
        return _not_tried(trace)
    return None


def tries_under_fault(trace: Trace) -> list[Event]:
    """The tries of the journey that ended while a fault was on, or failed after they had begun so.

    A try that began under the fault and passed after its heal says nothing. Nor does one that
    failed and had begun before its life was ready for the first time: nobody sends users to an app
    that still starts.
    """
    found = []
    for event in tries_of(trace):
        is_failure = event.data.get("passed") is not True
        if is_failure and not _had_been_ready(trace, event):
            continue
        if _on(trace, event.mono_ns) or (is_failure and _on(trace, begun_ns(event))):
            found.append(event)
    return found


def served_under_fault(trace: Trace) -> int:
    """How many tries of the journey passed while a fault was on."""
    return sum(event.data.get("passed") is True for event in tries_under_fault(trace))


def straddling(trace: Trace) -> list[Event]:
    """The tries that began under a fault and passed after its heal."""
    passed = [e for e in tries_of(trace) if e.data.get("passed") is True]
    return [e for e in passed if _on(trace, begun_ns(e)) and not _on(trace, e.mono_ns)]


def _not_tried(trace: Trace) -> Result:
    """Why no try says how the app served under the fault."""
    if not (found := straddling(trace)):
        return saw_nothing("its journey was never tried under the fault")
    took_s = (found[0].mono_ns - begun_ns(found[0])) / 1e9
    says = (
        f"no try of its journey ended under the fault: the one under way at the heal, after "
        f"{took_s:.1f} s, passed only then"
    )
    return saw_nothing(says, found)


def _had_been_ready(trace: Trace, tried: Event) -> bool:
    answers = observed(trace, "ready.answered", life=tried.life)
    return any(e.data.get("ready") is True and e.mono_ns <= begun_ns(tried) for e in answers)


def _on(trace: Trace, at_ns: int) -> bool:
    """Whether a fault was on at an instant."""
    return any(
        since <= at_ns < until
        for fault in planned_faults(trace)
        for since, until in periods(trace, fault)
    )


def _just_before(trace: Trace, answer: Event, answers: Sequence[Event]) -> bool:
    """Whether an answer still held when a fault was injected: only changes are recorded."""
    later = [e.mono_ns for e in answers if e.mono_ns > answer.mono_ns]
    until_ns = min(later, default=FAR_FUTURE_NS)
    return any(
        answer.mono_ns < since < until_ns
        for fault in planned_faults(trace)
        for since, _ in periods(trace, fault)
    )

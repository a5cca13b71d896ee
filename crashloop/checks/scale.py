"""Whether the time scale left enough time for the work that no scale makes faster."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.checks.lines import PHASE_ENDS, phase_started, seconds, took_s
from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.trace.event import Event, Trace

# A scaled run is fair if real work is small compared with the scaled limits: a quarter at most.
MAX_WORK_OF_LIMIT = 0.25

ORDINARY_SCALE = 20.0  # the default one, which an ordinary machine is fast enough for
_RECEIPTS = ("link.held", "link.delayed", "gate.syn_seen")


def scale_is_fair(trace: Trace) -> Result:
    """Without a fault, no phase takes over a quarter of its scaled limit."""
    found = _slowest(trace, trace.of("phase.completed"))
    if found is None:
        return saw_nothing("no phase completed under a limit, so the time scale cannot be judged")
    share, slowest = found
    what = f"phase {slowest.data.get('phase')} took {share:.0%} of its limit"
    if share > MAX_WORK_OF_LIMIT and trace.scale > 1:
        return refuted(
            f"{what} at time scale {trace.scale:g}, over a quarter: the scale is unfair here; "
            f"the largest usable one is {_usable(trace.scale, share)}",
            [slowest],
        )
    return holds(f"{what} at most", [slowest])


def unfair_scale(trace: Trace) -> str:
    """Why the run's scale is too large for this machine, with the largest usable one; else "".

    Only phases that no fault touched count: their time is real work. One that did not complete may
    have hung for a reason of its own, so it counts only above the default scale.
    """
    scale = seconds(trace.header, "time_scale") or 1.0
    if scale <= 1:
        return ""
    ended = trace.of(*(PHASE_ENDS if scale > ORDINARY_SCALE else PHASE_ENDS[:1]))
    found = _slowest(trace, (event for event in ended if not _touched(trace, event)))
    if found is None or found[0] <= MAX_WORK_OF_LIMIT:
        return ""
    share, slowest = found
    usable = _usable(scale, share)
    chosen, phase = f"time scale {scale:g}", f"phase {slowest.data.get('phase')}"
    if slowest.kind == "phase.completed":
        return (
            f"{chosen} is too large here: without a fault, {phase} took {share:.0%} of its limit, "
            f"and a quarter is fair; the largest usable scale is {usable}"
        )
    return (
        f"{chosen} may be too large here: without a fault, {phase} used up its limit; "
        f"try {usable} or less"
    )


def _slowest(trace: Trace, ended: Iterable[Event]) -> tuple[float, Event] | None:
    """The phase that took most of its limit, and how much; None if no phase reports both."""
    known = []
    for event in ended:
        lasted_s, limit_s = took_s(trace, event), seconds(event.data, "limit_s")
        if lasted_s is not None and limit_s:
            known.append((lasted_s / limit_s, event))
    return max(known, key=lambda each: each[0], default=None)


def _usable(scale: float, share: float) -> int:
    return max(1, math.floor(scale * MAX_WORK_OF_LIMIT / share))


def _touched(trace: Trace, ended: Event) -> bool:
    """Whether a fault touched the attempt while the phase ran."""
    began = phase_started(trace, ended)
    receipts = trace.of(*_RECEIPTS, attempt=ended.attempt)
    return any(
        (began is None or began.mono_ns <= receipt.mono_ns) and receipt.mono_ns <= ended.mono_ns
        for receipt in receipts
    )

"""Whether the time scale left enough time for the work that no scale makes faster."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.checks.evidence import MAX_WORK_OF_LIMIT

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

NS_PER_S = 1_000_000_000
ORDINARY_SCALE = 20.0  # the default one, which an ordinary machine is fast enough for
_ENDS = ("phase.completed", "phase.failed", "phase.degraded")
_LEAST, _MOST = 1e-9, 1e9
_RECEIPTS = ("link.held", "link.delayed", "gate.syn_seen")


def unfair_scale(trace: Trace) -> str:
    """Why the run's scale is too large for this machine, with the largest usable one; else "".

    Only phases that no fault touched count: their time is real work. One that did not complete may
    have hung for a reason of its own, so it counts only above the default scale.
    """
    scale = _positive(trace.header.get("time_scale"))
    if scale <= 1:
        return ""
    kinds = _ENDS if scale > ORDINARY_SCALE else _ENDS[:1]
    shares = [(_share(event), event) for event in trace.of(*kinds) if not _touched(trace, event)]
    share, slowest = max(shares, key=lambda one: one[0], default=(0.0, None))
    if slowest is None or share <= MAX_WORK_OF_LIMIT:
        return ""
    usable = max(1, math.floor(scale * MAX_WORK_OF_LIMIT / share))
    phase = f"phase {slowest.data.get('phase')}"
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


def _share(ended: Event) -> float:
    """How much of its limit a phase took; 0 where its line does not say."""
    limit_s = _positive(ended.data.get("limit_s"))
    return _positive(ended.data.get("duration_s")) / limit_s if limit_s else 0.0


def _touched(trace: Trace, ended: Event) -> bool:
    """Whether a fault touched the attempt while the phase ran."""
    began_ns = ended.mono_ns - round(_positive(ended.data.get("duration_s")) * NS_PER_S)
    receipts = trace.of(*_RECEIPTS, attempt=ended.attempt)
    return any(began_ns <= receipt.mono_ns <= ended.mono_ns for receipt in receipts)


def _positive(value: object) -> float:
    """The value as a number; 0 for what no app means: no number, or one out of all bounds."""
    if isinstance(value, int | float) and _LEAST < value < _MOST:
        return float(value)
    return 0.0

"""Whether an outage passed the app by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.control import control_passed
from crashloop.checks.lives import deaths, observed
from crashloop.checks.touches import periods, planned_faults, touches
from crashloop.judge import ended_early

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def is_idle(trace: Trace) -> bool:
    """Whether each fault was on and touched nothing, while the app was well from start to end."""
    if trace.first("run.finished") is None or ended_early(trace) or not control_passed(trace).holds:
        return False
    faults = planned_faults(trace)
    was_ready = any(e.data.get("ready") is True for e in observed(trace, "ready.answered"))
    was_on = bool(faults) and all(periods(trace, fault) for fault in faults)
    was_touched = any(touches(trace, fault) for fault in faults)
    return was_ready and was_on and not was_touched and not deaths(trace)

"""Whether a revision change took anything away from the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lives import observed
from crashloop.checks.touches import OF_REPLICAS, planned_faults

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

NO_SLOT = "53"  # SQLSTATE class: insufficient resources


def has_room(trace: Trace) -> bool:
    """Whether an old revision held connections beside the new one, and no server was short of them.

    Then nothing was taken from the app, and what became of it is not of this outage.
    """
    faults = planned_faults(trace)
    if not faults or any(fault["target"] != OF_REPLICAS for fault in faults):
        return False
    counted_there = observed(trace, "revision.overlapping")
    held = any(any((e.data.get("sessions") or {}).values()) for e in counted_there)
    refused = [
        e
        for e in trace.events
        if e.source != "app" and str(e.data.get("sqlstate") or "").startswith(NO_SLOT)
    ]
    return held and not refused

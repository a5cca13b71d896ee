"""How long a cycle of a restart loop is, and what resets the platform's back-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lines import seconds
from crashloop.checks.lives import observed
from crashloop.loops.spans import incident_s, waits_of, wall_s
from crashloop.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.loops.replica import LifeRecord, Replica
    from crashloop.trace.event import Trace

STARTS_OVER = "starts over"
"""What a platform says of a restart whose back-off does not follow from the one before."""


def cycles_of(trace: Trace, replica: Replica, loop: Sequence[LifeRecord]) -> tuple[float, ...]:
    """From each start of the loop to the next one, in seconds of the incident."""
    found = (_cycle_s(trace, one, after) for one, after in replica.pauses() if one in loop)
    return tuple(each for each in found if each is not None)


def _cycle_s(trace: Trace, one: LifeRecord, after: LifeRecord) -> float | None:
    """The life and the back-off after it; None if nothing says how long the back-off was."""
    if one.ended is None:
        return None
    if one.scheduled is not None:
        backoff_s = seconds(one.scheduled.data, "backoff_s")
    elif after.started.source == "platform":  # Docker's own, which no time scale divides
        backoff_s = wall_s([(one.ended.mono_ns, after.started.mono_ns)])
    else:
        backoff_s = None
    return None if backoff_s is None else ran_s(trace, one) + backoff_s


def ran_s(trace: Trace, one: LifeRecord) -> float:
    """How long a life that has ended ran, in seconds of the incident."""
    assert one.ended is not None
    recorded_s = seconds(one.ended.data, "run_incident_s")
    if recorded_s is not None:
        return recorded_s
    begins, ends = one.started.mono_ns, one.ended.mono_ns
    return incident_s(trace, [(begins, ends)], waits_of(trace, one, ends))


def rule_of(trace: Trace) -> str:
    """What makes the back-off of the run's platform start over; "" for an unknown platform."""
    kind = PLATFORMS.get(str((trace.scenario.get("platform") or {}).get("name")))
    return kind.resets if kind else ""


def was_reset(trace: Trace, replica: Replica) -> bool | None:
    """Whether the platform says that the back-off started over; None if it says nothing."""
    scheduled = [e for e in observed(trace, "restart.scheduled") if e.replica == replica.number]
    if not scheduled:
        return None
    return any(STARTS_OVER in str(e.data.get("reason")) for e in scheduled)

"""Which pattern the starts and deaths of a replica are, why, and by which events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crashloop.checks.ends import how_ended
from crashloop.checks.hidden import LIVED_ON_S, failed_starts
from crashloop.checks.lives import observed
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.touches import planned_faults, touches
from crashloop.loops.spans import NS_PER_S
from crashloop.model import Pattern
from crashloop.plural import counted, listed
from crashloop.trace.event import NOT_BACK_IN_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.loops.replica import LifeRecord, Replica
    from crashloop.trace.event import Event, Trace

MIN_DEATHS = 2
"""The fewest deaths in a row before ready that are a loop: a death, a restart, and a death again.

So does Kubernetes: it restarts a container at once after its first exit, and calls its state
CrashLoopBackOff from the second one on (kubernetes.io/docs, Pod Lifecycle: container restarts). One
death is what an app has that only came before its side-car.
"""


class Reading(NamedTuple):
    """A pattern, None if the trace does not show one, with its reason and its events."""

    pattern: Pattern | None
    why: str
    evidence: Sequence[Event | None]


def pattern_of(trace: Trace, replica: Replica) -> Reading:
    """The pattern of a replica: the first of these that it shows."""
    if not replica.lives:
        return Reading(None, "no attempt was started", ())
    for shown in (_given_up, _loop, _crashed, _started, _silent):
        if found := shown(trace, replica):
            return found
    return _undecided(replica)


def is_loop(replica: Replica) -> bool:
    """Whether lives died before they were ready often enough in a row to be a restart loop."""
    return len(replica.longest_streak) >= MIN_DEATHS


def _given_up(_trace: Trace, replica: Replica) -> Reading | None:
    gave_up, last, deaths = replica.gave_up, replica.last, replica.deaths
    if gave_up is None:
        return None
    reason = str(gave_up.data.get("reason"))
    if last.exited_0 and last.ready is None and not is_loop(replica):
        says = (
            f"attempt {last.life.attempt} ended with exit 0 without having been ready, and the "
            f"platform did not start it again: {reason}"
        )
        return Reading(Pattern.SILENT_EXIT, says, [last.ended, gave_up])
    says = f"the platform gave up after {counted(len(deaths), 'death')} ({_ways(deaths)}): {reason}"
    return Reading(Pattern.GAVE_UP, says, [*(each.ended for each in deaths), gave_up])


def _loop(_trace: Trace, replica: Replica) -> Reading | None:
    if not is_loop(replica):
        return None
    loop, last = replica.longest_streak, replica.last
    says = f"{counted(len(loop), 'attempt')} in a row died before they were ready ({_ways(loop)})"
    evidence = [event for each in loop for event in (each.started, each.ended)]
    if last.ready is None or last.died:
        return Reading(Pattern.RESTART_LOOP, says, [*evidence, last.started])
    says = f"{says}, until attempt {last.life.attempt} was ready"
    return Reading(Pattern.RESTART_LOOP, says, [*evidence, last.ready])


def _crashed(_trace: Trace, replica: Replica) -> Reading | None:
    late = [each for each in replica.deaths if each.ready]
    if not late:
        return None
    evidence = [event for each in late for event in (each.ready, each.ended)]
    says = f"{counted(len(late), 'attempt')} died after being ready ({_ways(late)})"
    return Reading(Pattern.CRASH_AFTER_READY, says, evidence)


def _started(trace: Trace, replica: Replica) -> Reading | None:
    last = replica.last
    if last.ready is None:
        return None
    ready, name = last.answered or last.ready, f"attempt {last.life.attempt}"
    if replica.deaths:
        ends = [each.ended for each in replica.deaths]
        says = f"{name} was ready after one death ({_ways(replica.deaths)})"
        return Reading(Pattern.STARTED, says, [*ends, last.started, ready])
    touched = [
        touch
        for fault in planned_faults(trace)
        for touch in touches(trace, fault)
        if touch.life == last.life and touch.begins_ns < ready.mono_ns
    ]
    if not touched:
        return Reading(Pattern.STARTED, f"{name} was ready", [last.started, ready])
    first = min(touched, key=lambda touch: touch.begins_ns)
    waited_s = (ready.mono_ns - first.begins_ns) / NS_PER_S * trace.scale
    says = f"{name} did not die and was ready {waited_s:.0f} s after a fault first touched it"
    return Reading(Pattern.SLOW_START, says, [last.started, first.event, ready])


def _silent(trace: Trace, replica: Replica) -> Reading | None:
    """That the last life was there until the end and nothing listened, if it is shown.

    It had logged that its start-up failed, or it had all its time to recover after the last heal.
    """
    last = replica.last
    watched = next(iter(observed(trace, "port.watched", life=last.life)), None)
    if watched is None or last.died or not watched.data.get("probes") or watched.data.get("opened"):
        return None
    name = f"the process of attempt {last.life.attempt}"
    if failed := next(iter(failed_starts(trace, last.life)), None):
        lived_s = ((last.ended or watched).mono_ns - failed.mono_ns) / NS_PER_S
        says = f"{name} lived on for {lived_s:.1f} s after its start-up failed, with a shut port"
        evidence = [last.started, failed, watched]
        return Reading(Pattern.SILENT_ALIVE, says, evidence) if lived_s >= LIVED_ON_S else None
    finished = trace.first("run.finished")
    was_late = finished is not None and finished.data.get("how") == NOT_BACK_IN_TIME
    if not was_late or last.started.mono_ns > last_heal_ns(trace):
        return None
    says = f"{name} lived, and its port stayed shut for all of its time to recover after the heal"
    return Reading(Pattern.SILENT_ALIVE, says, [last.started, watched, finished])


def _undecided(replica: Replica) -> Reading:
    last, deaths = replica.last, replica.deaths
    ends = [each.ended for each in deaths]
    if last.died:
        says = f"{counted(len(deaths), 'attempt')} died ({_ways(deaths)}), and nothing followed"
        return Reading(None, says, ends)
    says = f"attempt {last.life.attempt} was not ready when the run ended"
    return Reading(None, says, [*ends, last.started])


def _ways(lives: Sequence[LifeRecord]) -> str:
    """How these lives ended: `exit 3`, or each way."""
    return listed(sorted({how_ended(each.ended) for each in lives if each.ended}))

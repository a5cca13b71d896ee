"""From a trace to what the starts and deaths of each replica amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.result import MAX_EVIDENCE, UNREADABLE
from crashloop.loops.cycle import cycles_of, rule_of, was_reset
from crashloop.loops.pattern import is_loop, pattern_of
from crashloop.loops.recovery import recovery_of
from crashloop.loops.replica import replica_of
from crashloop.model import ReplicaLoop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.trace.event import Event, Trace


def loops_of(trace: Trace) -> tuple[ReplicaLoop, ...]:
    """One record for each replica of the scenario; an old revision has none.

    None at all where the header does not say how many replicas there are.
    """
    try:
        replicas = trace.replicas()
    except UNREADABLE:
        return ()
    return tuple(_read(trace, number) for number in replicas)


def _read(trace: Trace, number: int) -> ReplicaLoop:
    try:
        return _loop_of(trace, number)
    except UNREADABLE as error:
        why = f"the evidence could not be read ({type(error).__name__}: {error})"
        return ReplicaLoop(replica=number, pattern=None, why=why)


def _loop_of(trace: Trace, number: int) -> ReplicaLoop:
    replica = replica_of(trace, number)
    pattern, why, evidence = pattern_of(trace, replica)
    looped = is_loop(replica)
    recovered = recovery_of(trace, replica)
    return ReplicaLoop(
        replica=number,
        pattern=pattern,
        why=why,
        looped=looped,
        starts=len(replica.lives),
        deaths=len(replica.deaths),
        cycles_s=cycles_of(trace, replica, replica.longest_streak) if looped else (),
        resets=rule_of(trace),
        was_reset=was_reset(trace, replica),
        recovery=recovered.time if recovered else None,
        evidence=_seqs([*evidence, recovered.answer if recovered else None]),
    )


def _seqs(events: Iterable[Event | None]) -> tuple[int, ...]:
    """The events' `seq` in order; the last one is kept where there are too many."""
    found = sorted({event.seq for event in events if event is not None})
    return tuple(found if len(found) <= MAX_EVIDENCE else [*found[: MAX_EVIDENCE - 1], found[-1]])

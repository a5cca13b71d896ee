"""Stretches of a run's clock, and how long they are in seconds of the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from crashloop.checks.lines import MAX_S, PHASE_ENDS, seconds, took_s
from crashloop.checks.lives import observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.loops.replica import LifeRecord
    from crashloop.trace.event import Event, Trace

NS_PER_S = 1_000_000_000

Span: TypeAlias = tuple[int, int]
"""From when until when, in nanoseconds of CLOCK_MONOTONIC."""


def clipped(spans: Iterable[Span], since_ns: int, until_ns: int) -> list[Span]:
    """What of the spans lies between two instants, in order and without overlap."""
    found: list[Span] = []
    for begins, ends in sorted((max(a, since_ns), min(b, until_ns)) for a, b in spans):
        if begins >= ends:
            continue
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((begins, ends))
    return found


def outside(spans: Iterable[Span], since_ns: int, until_ns: int) -> list[Span]:
    """What lies between two instants and in none of the spans."""
    found, at_ns = [], since_ns
    for begins, ends in clipped(spans, since_ns, until_ns):
        found.append((at_ns, begins))
        at_ns = ends
    return [each for each in (*found, (at_ns, until_ns)) if each[0] < each[1]]


def wall_s(spans: Iterable[Span]) -> float:
    """How long the spans last here."""
    return sum(ends - begins for begins, ends in spans) / NS_PER_S


def incident_s(trace: Trace, spans: Iterable[Span], waits: Iterable[Span]) -> float:
    """How long the spans last in the incident: waits scaled back, real work as it was.

    ValueError for a trace without a sensible time scale.
    """
    if not 1.0 <= trace.scale < MAX_S:
        raise ValueError(f"a time scale of {trace.scale}")
    waits, total_s = list(waits), 0.0
    for begins, ends in spans:
        waited_s = wall_s(clipped(waits, begins, ends))
        total_s += wall_s([(begins, ends)]) - waited_s + waited_s * trace.scale
    return total_s


def waits_of(trace: Trace, one: LifeRecord, until_ns: int) -> list[Span]:
    """When a life waited, until it ended or until an earlier instant.

    As in `run_incident_s`: phases that failed, or that ran when the life died, and the time that it
    served. A life that died and logged no phase waited from its first connection on. The app's own
    pause between two tries is a wait as well.
    """
    return [*_phases(trace, one, until_ns), *_pauses(trace, one), *_whole(trace, one, until_ns)]


def _phases(trace: Trace, one: LifeRecord, until_ns: int) -> Iterator[Span]:
    ends = trace.of(*PHASE_ENDS, life=one.life)
    for end in ends:
        lasted_s = took_s(trace, end)
        if end.kind != "phase.completed" and lasted_s is not None:
            yield end.mono_ns - round(lasted_s * NS_PER_S), end.mono_ns
    for begun in trace.of("phase.started", life=one.life) if one.died else ():
        same = (e for e in ends if e.data.get("phase") == begun.data.get("phase"))
        if all(e.mono_ns < begun.mono_ns for e in same):
            yield begun.mono_ns, until_ns


def _pauses(trace: Trace, one: LifeRecord) -> Iterator[Span]:
    for failed in trace.of("database.retry_failed", life=one.life):
        pause_s = seconds(failed.data, "pause_s") or 0.0
        yield failed.mono_ns, failed.mono_ns + round(pause_s * NS_PER_S)


def _whole(trace: Trace, one: LifeRecord, until_ns: int) -> Iterator[Span]:
    """The time that a life served: of one that died, or that served without all of its phases."""
    since: list[Event] = []
    if one.died or trace.of("phase.degraded", life=one.life):
        since += trace.of("startup.completed", life=one.life)
    if one.died and not since and not trace.of("phase.started", life=one.life):
        since += observed(trace, "link.opened", "gate.syn_seen", life=one.life)
    if since:
        yield min(e.mono_ns for e in since), until_ns

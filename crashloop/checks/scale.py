"""Whether the time scale left enough time for the work that no scale makes faster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.checks.limits import waits_of
from crashloop.checks.lines import PHASE_ENDS, phase_started, seconds, took_s
from crashloop.checks.lives import deaths, in_control, lives, observed, of_replicas
from crashloop.checks.result import UNREADABLE, Result, holds, refuted, saw_nothing
from crashloop.checks.touches import periods, planned_faults, touches
from crashloop.durations import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.checks.touch import Touch
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

# A scaled run is fair if real work is small compared with the scaled limits: a quarter at most.
MAX_WORK_OF_LIMIT = 0.25

ORDINARY_SCALE = 20.0  # the default one, where a scenario names none


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What share of a limit some work took, in words, and the event that ended it."""

    share: float
    says: str
    ended: Event


def scale_is_fair(trace: Trace) -> Result:
    """Without a fault, no phase takes over a quarter of its scaled limit.

    Nor does the whole start take over a quarter of what the start-up probe allows.
    """
    slowest = slowest_work(trace)
    if slowest is None:
        return saw_nothing("no phase completed under a limit, so the time scale cannot be judged")
    if slowest.share > MAX_WORK_OF_LIMIT and trace.scale > 1:
        return refuted(
            f"{slowest.says} at time scale {plain(trace.scale)}, over a quarter: the scale is "
            f"unfair here; the largest usable one is {_usable(trace.scale, slowest.share)}",
            [slowest.ended],
        )
    return holds(f"{slowest.says} at most", [slowest.ended])


def slowest_work(trace: Trace) -> Work | None:
    """The work of a phase, or of a whole start, that took the largest share of its limit."""
    completed = of_replicas(trace, trace.of("phase.completed"))
    found = [*_phases(trace, completed), *_starts(trace, _touches(trace))]
    return max(found, key=lambda work: work.share, default=None)


def unfair_scale(trace: Trace) -> str:
    """Why the run's scale is too large for this machine, with the largest usable one; else "".

    Only work that no fault touched counts: its time is real. A phase that did not complete may have
    hung for a reason of its own, so it counts only above the default scale.
    """
    slowest = _unfair_work(trace)
    if slowest is None:
        return ""
    scale = _scale(trace)
    usable = _usable(scale, slowest.share)
    if slowest.ended.kind in {"phase.failed", "phase.degraded"}:
        phase = slowest.ended.data.get("phase")
        return (
            f"time scale {plain(scale)} may be too large here: without a fault, phase {phase} used "
            f"up its limit; try {usable} or less"
        )
    where = "under the fault, " if slowest.ended.kind == "process.exited" else "without a fault, "
    return (
        f"time scale {plain(scale)} is too large here: {where}{slowest.says}, "
        f"and a quarter is fair; the largest usable scale is {usable}"
    )


def usable_scale(trace: Trace) -> int | None:
    """The largest scale that is usable on this machine; None if that of the run was not unfair."""
    slowest = _unfair_work(trace)
    return None if slowest is None else _usable(_scale(trace), slowest.share)


def ordinary_scale(trace: Trace) -> float:
    """The scale that an ordinary machine is fast enough for, as the scenario says."""
    return seconds(trace.scenario, "time_scale") or ORDINARY_SCALE


def _unfair_work(trace: Trace) -> Work | None:
    """The work that makes the scale unfair, the slowest; None if it is not, or nothing says."""
    try:
        slowest = _slowest_untouched(trace) if _scale(trace) > 1 else None
    except UNREADABLE:  # nothing says which work a fault touched
        return None
    return slowest if slowest is not None and slowest.share > MAX_WORK_OF_LIMIT else None


def _slowest_untouched(trace: Trace) -> Work | None:
    """The work without a fault that took the largest share of its limit."""
    kinds = PHASE_ENDS if _scale(trace) > ordinary_scale(trace) else PHASE_ENDS[:1]
    ended = of_replicas(trace, trace.of(*kinds))
    receipts = _touches(trace)
    untouched = [e for e in ended if not _touched(trace, receipts, e)]
    found = [*_phases(trace, untouched), *_starts(trace, receipts), *_whole_lives(trace)]
    return max(found, key=lambda work: work.share, default=None)


def _phases(trace: Trace, ended: Iterable[Event]) -> Iterator[Work]:
    """The phases that report both their time and their limit."""
    for event in ended:
        lasted_s, limit_s = took_s(trace, event), seconds(event.data, "limit_s")
        if lasted_s is not None and limit_s:
            share = lasted_s / limit_s
            says = f"phase {event.data.get('phase')} took {share:.0%} of its limit"
            yield Work(share=share, says=says, ended=event)


def _starts(trace: Trace, receipts: Sequence[Touch]) -> Iterator[Work]:
    """The starts until the start-up probe passed, or until the phase in which a fault hit them."""
    probe = (trace.scenario.get("platform") or {}).get("startup")
    if not probe:
        return
    allowed_s = (probe["delay_s"] + probe["period_s"] * probe["failures"]) / trace.scale
    for life in lives(trace):
        started = trace.first("process.started", life=life)
        hits_ns = [touch.begins_ns for touch in receipts if touch.life == life]
        ended = _phase_begun(trace, life, min(hits_ns)) if hits_ns else _passed(trace, life)
        if started is None or ended is None:
            continue
        share = (ended.mono_ns - started.mono_ns) / 1e9 / allowed_s
        says = f"{trace.name(life)} took {share:.0%} of what its start-up probe allows"
        if hits_ns:
            says += f" before phase {ended.data['phase']} began"
        yield Work(share=share, says=says, ended=ended)


def _passed(trace: Trace, life: Life) -> Event | None:
    """The result with which the life's start-up probe passed."""
    results = observed(trace, "probe.passed", life=life)
    return next((e for e in results if e.data.get("probe") == "startup"), None)


def _phase_begun(trace: Trace, life: Life, hit_ns: int) -> Event | None:
    """The line with which the scenario's phase began in a life, if no fault had hit it before."""
    begun = trace.of("phase.started", life=life)
    phase = trace.scenario.get("phase")
    return next((e for e in begun if e.data.get("phase") == phase and e.mono_ns <= hit_ns), None)


def _whole_lives(trace: Trace) -> Iterator[Work]:
    """What lives without phases did besides waiting, beyond a start each, while the fault was on.

    It counts where the heal came by time, before the app had died as often as in the incident.
    """
    ready, ended = in_control(trace, "control.ready"), deaths(trace)
    on = [period for fault in planned_faults(trace) for period in periods(trace, fault)]
    healed = observed(trace, "fault.healed")
    by_time = any(str(e.data.get("trigger")).endswith("after process.started") for e in healed)
    if trace.scenario.get("phase") or not (ready and ended and on and by_time):
        return
    start_ns = float(ready[0].data["after_s"]) * 1e9
    work_ns = 0.0
    for died in ended:
        started = trace.first("process.started", life=died.life)
        waits = [
            w for fault in planned_faults(trace) for w in waits_of(trace, fault["target"], died)
        ]
        if started is not None and waits:
            first_ns = min(wait.event.mono_ns for wait in waits)
            last_ns = max(wait.ended_ns for wait in waits)
            work_ns += max(first_ns - started.mono_ns - start_ns, 0) + died.mono_ns - last_ns
    share = work_ns / (on[-1][1] - on[0][0])
    says = f"starts slower than the control life's and ends of lives took {share:.0%} of its time"
    yield Work(share=share, says=says, ended=ended[-1])


def _scale(trace: Trace) -> float:
    return seconds(trace.header, "time_scale") or 1.0


def _usable(scale: float, share: float) -> int:
    return max(1, math.floor(scale * MAX_WORK_OF_LIMIT / share))


def _touches(trace: Trace) -> list[Touch]:
    return [touch for fault in planned_faults(trace) for touch in touches(trace, fault)]


def _touched(trace: Trace, receipts: Sequence[Touch], ended: Event) -> bool:
    """Whether a fault touched the life while the phase ran."""
    begun = phase_started(trace, ended)
    began_ns = begun.mono_ns if begun else 0
    return any(
        touch.life == ended.life
        and touch.begins_ns <= ended.mono_ns
        and (touch.ends_ns if touch.covers else touch.event.mono_ns) >= began_ns
        for touch in receipts
    )

"""How long lives took until their start-up began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lives import Replicas, for_replicas
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.durations import plain

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def first_phase_late(trace: Trace, *, at_least_s: float, replicas: Replicas = "each") -> Result:
    """The first life of each replica began its first phase that late, in seconds of the wall clock.

    Until then an app only computes: its interpreter starts and it imports its packages. So the time
    is not scaled, and no dependency has a part in it. "some": in at least one replica.
    """

    def was_late(number: int) -> Result:
        life = next(iter(trace.lives(number)), None)
        started = trace.first("process.started", life=life) if life else None
        began = trace.first("phase.started", life=life) if life else None
        if started is None or began is None:
            return saw_nothing("no attempt was seen to begin a phase", [started] if started else ())
        took_s = (began.mono_ns - started.mono_ns) / 1e9
        says = f"{trace.name(life)} began its first phase {plain(took_s)} s after its start"
        if took_s < at_least_s:
            return refuted(f"{says}, which is not late", [started, began])
        return holds(f"{says}, and computed until then", [started, began])

    return for_replicas(trace, replicas, was_late)

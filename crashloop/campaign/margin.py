"""Lives for which a twentieth of a time limit decided: another run could go the other way. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own
from crashloop.checks.lines import phase_started, seconds, took_s
from crashloop.checks.link_times import hold_end_ns
from crashloop.checks.lives import observed, of_replicas
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.touches import planned_faults
from crashloop.durations import plain

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

NEAR = 0.05
"""What share of a limit is too close to it."""


def near_limit(trace: Trace) -> tuple[str, ...]:
    """Each phase that ended within 5 % of its limit, in words.

    It completed with at most so much of its limit left, or it reached its limit when the fault
    would soon have let go of everything that the phase waited for.
    """
    ended = of_replicas(trace, trace.of("phase.completed", "phase.failed"))
    return tuple(filter(None, (_near(trace, each) for each in ended)))


def _near(trace: Trace, ended: Event) -> str:
    """How near a phase came to its limit; "" if it did not, or if nothing says so."""
    limit_s, lasted_s = seconds(ended.data, "limit_s"), took_s(trace, ended)
    if not limit_s or lasted_s is None or lasted_s < (1 - NEAR) * limit_s:
        return ""
    where = f"phase {ended.data.get('phase')} of {trace.name(ended.life)}"
    of_limit = f"its limit of {plain(limit_s * trace.scale)} s"
    if ended.kind == "phase.completed":
        return f"{where} took {lasted_s / limit_s:.1%} of {of_limit}"
    missing_s = _missing_s(trace, ended)
    if missing_s is None or missing_s > NEAR * limit_s:
        return ""
    return f"{where} was cut with {missing_s / limit_s:.1%} of {of_limit} missing"


def _missing_s(trace: Trace, failed: Event) -> float | None:
    """How much longer the fault would have held what a phase waited for, in wall seconds.

    None if nothing says how long, or if the phase still had connections to open after those.
    """
    begun = phase_started(trace, failed)
    targets = {fault["target"] for fault in planned_faults(trace)}
    held = [
        each
        for each in observed(trace, "link.held", life=failed.life)
        if begun is not None
        and each.target in targets
        and begun.mono_ns <= each.mono_ns <= failed.mono_ns
        and is_own(trace, each)
    ]
    waiting = [each for each in held if hold_end_ns(trace, each) >= failed.mono_ns]
    holds_s = [seconds(each.data, "hold_s") for each in waiting]
    links = {each.data.get("link") for each in held}
    wanted = seconds(trace.scenario.get("params") or {}, "warm_connections") or 1
    if not waiting or None in holds_s or len(links) < wanted:
        return None
    ends_ns = [
        min(each.mono_ns + round((hold_s or 0) * 1e9), last_heal_ns(trace))
        for each, hold_s in zip(waiting, holds_s, strict=True)
    ]
    return max((max(ends_ns) - failed.mono_ns) / 1e9, 0.0)

"""How an app lives without one of its dependencies, which is taken away at start and later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import of_replicas
from crashloop.checks.result import MAX_EVIDENCE, Result
from crashloop.checks.touches import periods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace

AT_START = "away-at-start"
LATER = "away-later"
"""The names of the two faults of such a run."""

NS_PER_S = 1_000_000_000
_OF_LINKS = ("link.opened", "link.held", "link.dropped", "link.delayed", "link.closed")


class Need(StrEnum):
    """How much an app needs a dependency."""

    HARD = "hard"
    SOFT = "soft"
    UNUSED = "unused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """How much the app needs a dependency at one time, with the reason and `seq` numbers."""

    need: Need
    why: str
    evidence: tuple[int, ...] = ()


def dependency_needed(trace: Trace, *, target: str) -> Result:
    """The run shows how much the app needs the dependency at its start; what it shows for later.

    Refuted by nothing: an app that survives has shown it, too.
    """
    start, run = needed_at_start(trace, target), needed_later(trace, target)
    says = f"{target} is {start.need} at start ({start.why}), {run.need} at run time ({run.why})"
    evidence = (*start.evidence, *run.evidence)[:MAX_EVIDENCE]
    return Result(holds=None if start.need is Need.UNKNOWN else True, says=says, evidence=evidence)


def needed_at_start(trace: Trace, target: str) -> Needed:
    """Hard: the app died or was not ready while it was away. Soft: it was ready without it.

    Unused: it was ready, and had never connected to it before, not even without the fault.
    """
    away = _away(trace, AT_START)
    if away is None:
        return Needed(need=Need.UNKNOWN, why="it was not taken away at the start")
    started = _within(trace, away, "process.started")
    if not started:
        return Needed(need=Need.UNKNOWN, why="the app was not started while it was away")
    if died := _deaths(trace, away):
        after_s = (died[0].mono_ns - started[0].mono_ns) / NS_PER_S
        why = f"the app {_how(died[0])} {after_s:.1f} s after its start"
        return _needed(Need.HARD, why, died[0])
    ready = [e for e in _within(trace, away, "ready.answered") if e.data.get("ready") is True]
    if not ready:
        lasted_s = (min(away[1], _last_ns(trace)) - started[0].mono_ns) / NS_PER_S
        return _needed(Need.HARD, f"the app was not ready within {lasted_s:.1f} s", started[0])
    after_s = (ready[0].mono_ns - started[0].mono_ns) / NS_PER_S
    why = f"the app was ready after {after_s:.1f} s"
    used = _used_by_control(trace, target, until="control.ready") + _touched(trace, target, away)
    if not used:
        return _needed(Need.UNUSED, f"{why}, and connects to it later or not at all", ready[0])
    return _needed(Need.SOFT, why, ready[0], used[0])


def needed_later(trace: Trace, target: str) -> Needed:
    """Hard: a journey failed or the app died while it was away. Soft: the journey passed.

    Unused: it passed, and the app had no connection to it, neither then nor in the control life.
    Unknown where nothing was tried.
    """
    steps = _mapping(_mapping(trace.scenario.get("app")).get("journey")).get("steps")
    away = _away(trace, LATER)
    if away is None:
        return Needed(need=Need.UNKNOWN, why="the app did not work again after its start")
    if died := _deaths(trace, away):
        return _needed(Need.HARD, f"the app {_how(died[0])}", died[0])
    if not steps:
        return Needed(need=Need.UNKNOWN, why="give a journey that uses it")
    return _by_tries(trace, target, away)


def _by_tries(trace: Trace, target: str, away: tuple[int, int]) -> Needed:
    """How much the journey needs it, by the tries that ended while it was away."""
    tries = _within(trace, away, "journey.tried")
    if failed := [e for e in tries if e.data.get("passed") is False]:
        why = str(failed[0].data.get("why") or "")
        return _needed(Need.HARD, "its journey failed" + (f": {why}" if why else ""), failed[0])
    passed = [e for e in tries if e.data.get("passed") is True and _began_ns(e) >= away[0]]
    if not passed:
        return Needed(need=Need.UNKNOWN, why="no journey ended while it was away")
    used = _touched(trace, target, away) or _used_by_control(trace, target)
    if not used:
        return _needed(Need.UNUSED, "its journey passed and never connected to it", passed[0])
    return _needed(Need.SOFT, "its journey passed", passed[0], used[0])


def _needed(need: Need, why: str, *evidence: Event) -> Needed:
    return Needed(need=need, why=why, evidence=tuple(event.seq for event in evidence))


def _away(trace: Trace, name: str) -> tuple[int, int] | None:
    """From when until when the fault was on, if it was."""
    return next(iter(periods(trace, {"name": name})), None)


def _within(trace: Trace, away: tuple[int, int], *kinds: str) -> list[Event]:
    """What others than the app saw of its lives while the dependency was away, in order."""
    events = of_replicas(trace, trace.of(*kinds))
    return [e for e in events if e.source != "app" and away[0] <= e.mono_ns <= away[1]]


def _deaths(trace: Trace, away: tuple[int, int]) -> list[Event]:
    return [e for e in _within(trace, away, "process.exited") if not e.data.get("requested")]


def _touched(trace: Trace, target: str, away: tuple[int, int]) -> list[Event]:
    """Events of the app's own connections to the target while it was away."""
    found = _within(trace, away, *_OF_LINKS, "gate.syn_seen")
    return [e for e in found if e.target == target]


def _used_by_control(trace: Trace, target: str, *, until: str = "") -> list[Event]:
    """The connections of the control life, until the first event of this kind."""
    events = list(trace.control)
    ends = [e.mono_ns for e in events if e.kind == until]
    until_ns = min(ends, default=FAR_FUTURE_NS)
    return [
        e
        for e in events
        if e.kind == "link.opened" and e.target == target and e.mono_ns <= until_ns
    ]


def _began_ns(tried: Event) -> float:
    took_s = tried.data.get("took_s")
    return tried.mono_ns - (took_s if isinstance(took_s, int | float) else 0) * NS_PER_S


def _how(died: Event) -> str:
    code = died.data.get("exit_code")
    return f"exited with {code}" if code is not None else f"died by {died.data.get('signal')}"


def _last_ns(trace: Trace) -> int:
    return max((event.mono_ns for event in trace.events), default=0)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""Whether the app stays down although what brought it down is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import deaths, for_replicas, of_replica
from crashloop.checks.readiness import ready_answers, ready_until_ns
from crashloop.checks.result import Result, holds, not_seen, refuted
from crashloop.checks.touches import periods, planned_faults
from crashloop.durations import plain
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.trace.event import Event, Trace


def stayed_down(trace: Trace, *, cause: str, times: int, for_s: float = 0.0) -> Result:
    """Every replica was ready when the fault `cause` came, and none was after it had gone.

    Each died `times` more, over `for_s` seconds of the incident or longer. That lasted until the
    other faults were healed, which had been on while the app was ready: they do not bring it down,
    they keep it down.
    """
    came = periods(trace, {"name": cause})
    if not came or came[-1][1] == FAR_FUTURE_NS:
        return not_seen(trace, f"no fault {cause} came and went")
    since_ns = came[0][0]
    others = [periods(trace, each) for each in planned_faults(trace) if each["name"] != cause]
    lasting = [each for each in others if each and each[0][0] < since_ns]
    if not lasting:
        return refuted(f"no other fault was on when {cause} came, so nothing else can keep it down")
    until_ns = max(each[-1][1] for each in lasting)

    def down(number: int) -> Result:
        answers = of_replica(ready_answers(trace), number)
        before = [e for e in answers if e.mono_ns < since_ns <= ready_until_ns(trace, e)]
        if not before:
            return not_seen(trace, f"no attempt was ready when {cause} came")
        again = [e for e in _of_later_lives(trace, answers, since_ns) if e.mono_ns < until_ns]
        if again:
            says = f"{trace.name(again[0].life)} was ready again after {cause}"
            return refuted(says, [before[-1], again[0]])
        own = of_replica(deaths(trace), number)
        died = [e for e in _of_later_lives(trace, own, since_ns) if e.mono_ns < until_ns]
        says = f"it died {often(len(died))} after {cause}"
        if len(died) < times:
            return not_seen(trace, f"{says}, not {often(times)}", [before[-1], *died])
        lasted_s = (died[-1].mono_ns - came[-1][1]) / 1e9 * trace.scale if died else 0.0
        says = f"died {often(len(died))} in the {lasted_s:.0f} s after that"
        if lasted_s < for_s:
            return refuted(f"it {says}, not for {plain(for_s)} s", [before[-1], *died])
        says = f"it was ready when {cause} came, and {says}"
        return holds(f"{says}, without being ready again", [before[-1], *died])

    return for_replicas(trace, "each", down)


def _of_later_lives(trace: Trace, events: Iterable[Event], since_ns: int) -> list[Event]:
    """The events of lives that were started after an instant."""
    started = {e.life for e in trace.of("process.started") if e.mono_ns > since_ns}
    return [e for e in events if e.life in started]

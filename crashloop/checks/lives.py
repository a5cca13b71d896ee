"""Lives and replicas: who died, and what must hold for each replica or for some."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from crashloop.checks.result import MAX_EVIDENCE, Result
from crashloop.plural import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_AMOUNT = re.compile(
    rf"(?<![\w.]){_NUMBER.pattern}(?:(?:, | to ){_NUMBER.pattern})*(?= (?:s|ms|times|attempts)\b)"
)
"""A number with a unit, or several: what may differ between replicas of the same fate."""

AT_THE_END = ("restart.gave_up", "run.finished")
"""The kinds of event that end a fault only when the platform starts the app no more."""

Replicas = Literal["each", "some"]
"""Whether each replica must show something, or at least one."""


def observed(
    trace: Trace, *kinds: str, life: Life | None = None, target: str | None = None
) -> list[Event]:
    """Events of these kinds that somebody else than the app has seen: it can log any kind."""
    return [e for e in trace.of(*kinds, life=life, target=target) if e.source != "app"]


def in_control(trace: Trace, *kinds: str, target: str | None = None) -> list[Event]:
    """What somebody else than the app has seen of the control life (about one target)."""
    found = [e for e in trace.control if e.kind in kinds and e.source != "app"]
    return found if target is None else [e for e in found if e.target == target]


def of_replicas(trace: Trace, events: Iterable[Event]) -> list[Event]:
    """The events of the scenario's replicas; those of an old revision are left out."""
    numbers = trace.replicas()
    return [e for e in events if e.replica in numbers]


def of_replica(events: Iterable[Event], number: int) -> list[Event]:
    """The events of one replica."""
    return [e for e in events if e.replica == number]


def lives(trace: Trace) -> list[Life]:
    """The lives of the scenario's replicas, in order of their start."""
    return [life for life in trace.lives() if life.replica in trace.replicas()]


def deaths(trace: Trace) -> list[Event]:
    """The ends of the scenario's lives that the harness had not asked for."""
    ended = of_replicas(trace, observed(trace, "process.exited"))
    return [e for e in ended if not e.data.get("requested")]


def killed(trace: Trace, died: Event) -> Event | None:
    """The platform's first kill of this life; None if it did not kill it."""
    kills = observed(trace, "process.killed", life=died.life)
    return next((e for e in kills if e.mono_ns <= died.mono_ns), None)


def is_too_often(trace: Trace, found: int, times: int, replicas: Replicas) -> bool:
    """Whether something came more often than `times`, where it must come exactly so often.

    With several replicas a fault lasts until the last one has died so often; the others may die
    more often meanwhile. A fault that a schedule heals, or nothing while the platform restarts the
    app, lasts however often they die.
    """
    if found <= times or replicas != "each" or len(trace.replicas()) > 1:
        return False
    heals = [each.get("heal") or {} for each in trace.scenario.get("faults") or ()]
    return not any(_lasts(heal) for heal in heals)


def _lasts(heal: Mapping[str, Any]) -> bool:
    """Whether a fault with this heal lasts however often the app dies."""
    parts = [*(heal.get("first_of") or ()), *(heal.get("all_of") or ())]
    is_last = heal.get("on") in AT_THE_END
    return is_last or bool(heal.get("through_restarts")) or any(_lasts(part) for part in parts)


def for_replicas(trace: Trace, replicas: Replicas, check: Callable[[int], Result]) -> Result:
    """The results of `check` for each replica as one.

    "each": all must hold; a refutation counts more than a replica that showed nothing. "some": one
    must hold, and only if every replica refutes it is it refuted. ValueError for another word.
    """
    found = {number: check(number) for number in trace.replicas()}
    if replicas not in {"each", "some"}:
        raise ValueError(f"replicas is {replicas!r}, not 'each' or 'some'")
    if len(found) == 1:
        return next(iter(found.values()))
    order = (False, None) if replicas == "each" else (True, None)
    for state in order:
        for number, result in found.items():
            if result.holds is state:
                return _named(number, result)
    return _combined(found)


def _named(number: int, result: Result) -> Result:
    named = re.search(rf"\breplica {number}\b", result.says)
    says = result.says if named else f"in replica {number}, {result.says}"
    return Result(holds=result.holds, says=says, evidence=result.evidence)


def _combined(found: dict[int, Result]) -> Result:
    """Results with the same outcome as one; replicas that differ in amounts only are one group."""
    results = list(found.values())
    said = {
        number: each.says.replace(f" of replica {number}", "") for number, each in found.items()
    }
    groups: dict[str, list[int]] = {}
    for number, text in said.items():
        groups.setdefault(_AMOUNT.sub("#", text), []).append(number)
    parts = []
    for same in groups.values():
        if len(same) == 1:
            parts.append(_named(same[0], found[same[0]]).says)
            continue
        where = numbers("replica", same) if len(groups) > 1 else f"each of {len(found)} replicas"
        parts.append(f"in {where}, {_merged([said[number] for number in same])}")
    evidence = tuple(seq for result in results for seq in result.evidence)
    says = "; ".join(parts)
    return Result(holds=results[0].holds, says=says, evidence=evidence[:MAX_EVIDENCE])


def _merged(said: list[str]) -> str:
    """Texts that differ in their amounts only as one, each amount with its range."""
    amounts = zip(*([found[0] for found in _AMOUNT.finditer(text)] for text in said), strict=True)
    spans = (each[0] if len(set(each)) == 1 else _span(each) for each in amounts)
    return _AMOUNT.sub(lambda _: next(spans), said[0])


def _span(amounts: tuple[str, ...]) -> str:
    """`20.0 to 20.1`, written as the amounts are."""
    written = [number for text in amounts for number in _NUMBER.findall(text)]
    low, high = min(written, key=float), max(written, key=float)
    return low if low == high else f"{low} to {high}"

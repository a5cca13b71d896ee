"""Readiness and recovery, as the scenario's app defines being ready."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crashloop.checks.failures import failures
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import deaths, for_replicas, observed, of_replica
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.checks.touches import periods, planned_faults
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.trace.event import Event, Trace

HTTP_REFUSALS = range(400, 500)

# How many leaves of an answer an event has, and how many characters of each name and text.
MAX_LEAVES = 50
MAX_CHARS = 40
MAX_SHORTFALLS = 3


def recovered(trace: Trace, *, phase: str) -> Result:
    """After the last heal, a life of a replica later than all its dead ones answered ready.

    Each replica recovered so, or was ready before and stayed so. No life that began the phase after
    the heal may fail in it.
    """
    healed = observed(trace, "fault.healed")
    if not healed:
        return saw_nothing("no fault was healed, so nothing could recover from it")
    for fault in planned_faults(trace):
        on = periods(trace, fault)
        if not on or on[-1][1] == FAR_FUTURE_NS:
            return saw_nothing(f"fault {fault['name']} was never healed", healed)
    last = healed[-1]
    for failure in failures(trace, phase):
        if failure.began_ns > last.mono_ns:
            name = trace.name(failure.ended.life)
            says = f"{name} {f'failed in phase {phase}' if phase else 'died'} after the heal"
            return refuted(says, [last, failure.ended])
    stayed = {number: _stayed_ready(trace, number, last) for number in trace.replicas()}
    if all(stayed.values()):
        before = stayed[trace.replicas()[0]]
        name = trace.name(before[0].life)
        says = f"{name} was ready before the heal, so nothing had to recover"
        return refuted(says, [*before, last])
    return for_replicas(
        trace, "each", lambda number: _recovered_in(trace, number, last, stayed[number])
    )


def ready(trace: Trace) -> Result:
    """Some life of each replica was ready, as the scenario's app defines it."""

    def ready_in(number: int) -> Result:
        found = of_replica(ready_answers(trace), number)
        if not found:
            return instead(trace, number, "the app was never ready")
        return holds(f"attempt {found[0].attempt} answered ready", found[:1])

    return for_replicas(trace, "each", ready_in)


def a_replica_served(trace: Trace) -> Result:
    """While a replica died again and again, another one, or an old revision, was ready.

    A replica loops from its first death to its last; two deaths are the fewest.
    """
    loops = {}
    for number in trace.replicas():
        died = of_replica(deaths(trace), number)
        if len(died) > 1:
            loops[number] = died
    if not loops:
        return not_seen(trace, "no replica died twice, so none looped while another served")
    for number, died in loops.items():
        for answer in ready_answers(trace):
            until_ns = ready_until_ns(trace, answer)
            meanwhile = answer.mono_ns <= died[-1].mono_ns and until_ns >= died[0].mono_ns
            if answer.replica != number and meanwhile:
                old = answer.replica not in trace.replicas()
                who = "the old revision" if old else f"replica {answer.replica}"
                return holds(f"{who} was ready while replica {number} looped", [answer, *died])
    if not observed(trace, "ready.answered", "port.watched"):
        return saw_nothing("nobody asked any replica whether it was ready")
    looping = ", ".join(map(str, loops))
    says = f"no other replica was ready while replica {looping} looped"
    return not_seen(trace, says, [died[-1] for died in loops.values()])


def rollout_stuck(trace: Trace) -> Result:
    """While the old revision was ready no new instance was, and each was once that had ended.

    Each new instance died meanwhile: it cannot start while the old revision runs, and that is ended
    only when the new one is ready.
    """
    old = [e for e in ready_answers(trace) if e.replica not in trace.replicas()]
    if not old:
        return not_seen(trace, "no old revision was ready beside the new one")
    until_ns = max(ready_until_ns(trace, answer) for answer in old)

    def stuck(number: int) -> Result:
        answers = of_replica(ready_answers(trace), number)
        if beside := [e for e in answers if e.mono_ns < until_ns]:
            says = f"{trace.name(beside[0].life)} was ready beside the old revision"
            return refuted(says, [*old, *beside])
        died = [e for e in of_replica(deaths(trace), number) if e.mono_ns < until_ns]
        if not died:
            return not_seen(trace, "no attempt died while the old revision was ready", old)
        if not answers:
            return not_seen(trace, "no attempt was ready after the old revision", [*old, *died])
        says = f"the old revision was ready while {counted(len(died), 'attempt')} died, and "
        says += f"{trace.name(answers[0].life)} was ready after it"
        return holds(says, [*old, *died, answers[0]])

    return for_replicas(trace, "each", stuck)


def ready_answers(trace: Trace) -> list[Event]:
    """The answers of every life, the old revision's included, that called itself ready."""
    return [e for e in observed(trace, "ready.answered") if e.data.get("ready") is True]


def ready_until_ns(trace: Trace, answer: Event) -> int:
    """When a life that answered ready no longer was: at its next other answer, or its end."""
    later = observed(trace, "ready.answered", "process.exited", life=answer.life)
    ends = [e.mono_ns for e in later if e.mono_ns > answer.mono_ns and not e.data.get("ready")]
    return min(ends, default=FAR_FUTURE_NS)


def _recovered_in(trace: Trace, number: int, healed: Event, stayed: list[Event]) -> Result:
    """Whether a replica was ready after the heal, or `stayed` so."""
    answers = of_replica(ready_answers(trace), number)
    after = [e for e in answers if e.mono_ns >= healed.mono_ns]
    if stayed:
        return holds(f"attempt {stayed[-1].attempt} stayed ready", stayed)
    if not after:
        return instead(trace, number, "the app was never ready after the heal")
    dead = of_replica(deaths(trace), number)
    name = f"attempt {after[0].attempt}"
    if dead and (after[0].attempt or 0) <= max(e.attempt or 0 for e in dead):
        return refuted(f"{name}, which answered ready, died later", [after[0], *dead])
    return holds(f"{name} answered ready after the heal", [healed, after[0]])


def _stayed_ready(trace: Trace, number: int, healed: Event) -> list[Event]:
    """The answer with which a replica was ready before the heal, if it had not to recover."""
    answers = of_replica(observed(trace, "ready.answered"), number)
    dead = of_replica(deaths(trace), number)
    last_dead = max((e.attempt or 0 for e in dead), default=0)
    last = answers[-1] if answers else None
    if last is None or last.mono_ns >= healed.mono_ns or last.data.get("ready") is not True:
        return []
    return [last] if (last.attempt or 0) > last_dead else []


def instead(trace: Trace, number: int, what: str) -> Result:
    """A replica's last answer and how it falls short, after `what`, which says what is missing."""
    watched = of_replica(observed(trace, "port.watched"), number)
    asked = _question(trace)
    last = _last_answer(trace, number)
    if last is None and not any(e.data.get("probes") for e in watched):
        return saw_nothing(f"{what}, and nobody looked at its port")
    if last is None:
        return not_seen(trace, f"{what}: {asked} was never answered")
    status = last.data.get("status_code")
    if status is None:
        failed = f"failed with {last.data['error']}" if "error" in last.data else "was shut"
        return not_seen(trace, f"{what}: {asked} {failed}", [last])
    if refused(trace, number):
        return saw_nothing(f"{what}, as far as is known: {asked} answered {status}", [last])
    answer = last.data.get("answer")
    answer = answer if isinstance(answer, dict) else {}
    state = f" ({answer['status']})" if answer.get("status") else ""
    where = "" if last.life in trace.lives(number)[-1:] else f" in attempt {last.attempt}"
    says = f"{what}: {asked} answered {status}{state}{where}{_shortfall(trace, answer)}"
    return not_seen(trace, says, [last])


def _question(trace: Trace) -> str:
    """What the harness asked to know whether the app is ready."""
    path = _ready_rule(trace).get("path")
    return f"GET {path}" if path else "its port"


def _ready_rule(trace: Trace) -> Mapping[str, Any]:
    """When the scenario's app counts as ready."""
    return (trace.scenario.get("app") or {}).get("ready") or {}


def _last_answer(trace: Trace, number: int) -> Event | None:
    """The last answer of a replica; where it never gave one, why not.

    An app that is being stopped fails to answer, which says nothing about what it did before.
    """
    asked = of_replica(observed(trace, "ready.answered"), number)
    answered = [e for e in asked if e.data.get("status_code") is not None]
    return next(iter((answered or asked)[-1:]), None)


def _shortfall(trace: Trace, answer: Mapping[str, object]) -> str:
    """What the ready rule asks for and the answer has not, or has otherwise."""
    words = []
    for path, wanted in _leaves(_ready_rule(trace).get("json") or {}):
        if path in answer and answer[path] != wanted:
            words.append(f"{path} {json.dumps(answer[path])} where {json.dumps(wanted)} is needed")
        elif path not in answer and len(answer) < MAX_LEAVES:
            words.append(f"no {path} where {json.dumps(wanted)} is needed")
    return f", with {' and '.join(words[:MAX_SHORTFALLS])}" if words else ""


def _leaves(wanted: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The scalar leaves of a rule, named and cut as those of an answer are."""
    for name, each in wanted.items():
        path = f"{prefix}{name[:MAX_CHARS]}"
        if isinstance(each, dict):
            yield from _leaves(each, f"{path}.")
        elif not isinstance(each, list):
            yield path, each[:MAX_CHARS] if isinstance(each, str) else each


def refused(trace: Trace, number: int) -> bool:
    """Whether a replica's last answer says that the path is unknown or forbidden."""
    last = _last_answer(trace, number)
    return last is not None and last.data.get("status_code") in HTTP_REFUSALS

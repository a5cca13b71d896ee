"""Whether a user of the app got through the whole journey, and which lives failed one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.lives import deaths, for_replicas, observed, of_replica
from crashloop.checks.readiness import instead, refused
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace

_TRIED_IN_VAIN = ("journey.waiting", "journey.failed", "journey.tried")


def journey_passed(trace: Trace) -> Result:
    """In each replica, every step of the scenario's journey passed, all with the same key.

    Where the journey is tried again and again, a try that had begun after the last heal did.
    """
    if not _steps(trace):
        return saw_nothing("the app has no journey")
    return for_replicas(trace, "each", lambda number: replica_passed(trace, number))


def replica_passed(trace: Trace, number: int) -> Result:
    """Whether one replica's journey passed, as `journey_passed` asks it of each."""
    wanted = _steps(trace)
    if not wanted:
        return saw_nothing("the app has no journey")
    if trace.scenario.get("is_own_app") and not _journey(trace).get("patient"):
        return _a_try_passed(trace, number)
    steps = of_replica(observed(trace, "journey.step"), number)
    by_key: dict[object, dict[object, Event]] = {}
    for step in steps:
        by_key.setdefault(step.data.get("key"), {}).setdefault(step.data.get("step"), step)
    for done in by_key.values():
        if set(done) >= set(wanted):
            said = [done[n] for n in wanted]
            what = "; ".join(str(step.data.get("says")) for step in said)
            return holds(f"the journey passed: {what}", said)
    failed = of_replica(observed(trace, "journey.failed"), number)
    if failed and not refused(trace, number):
        return refuted(f"the journey failed: {failed[-1].data.get('why')}", failed)
    best = max(by_key.values(), key=len, default={})
    missing = next(n for n in wanted if n not in best)
    waiting = _waiting(trace, number, missing)
    if not steps and (not waiting or refused(trace, number)):
        return instead(trace, number, "no step of the journey passed")
    says = f"step {missing} of {len(wanted)} of the journey never passed"
    why = f": {waiting[-1].data.get('why')}" if waiting else ""
    return not_seen(trace, says + why, [*best.values(), *waiting[-1:]])


def users_failed(trace: Trace, *, failed: bool) -> Result:
    """In each life that died, the app had failed its user; or, not `failed`, in none.

    That is, the port was open, and the user took a step of the journey that did not pass.
    """
    if not _steps(trace):
        return saw_nothing("the app has no journey")
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        name = trace.name(died.life)
        tries = observed(trace, *_TRIED_IN_VAIN, life=died.life)
        found = [e for e in tries if not e.data.get("passed")]
        if not any(e.data.get("probes") for e in observed(trace, "port.watched", life=died.life)):
            return saw_nothing(f"nobody looked at the port of {name}", [died])
        if found and not failed:
            return refuted(f"{name} failed its user: {found[0].data.get('why')}", [*found, died])
        if failed and not found:
            return refuted(f"{name} failed no user before it died", [died])
        evidence += [*found[:1], died]
    did = "failed its user" if failed else "failed no user"
    return holds(f"each of {counted(len(exits), 'attempt')} that died {did}", evidence)


def _journey(trace: Trace) -> Mapping[str, Any]:
    return (trace.scenario.get("app") or {}).get("journey") or {}


def _steps(trace: Trace) -> range:
    """The numbers of the journey's steps."""
    return range(1, len(_journey(trace).get("steps") or ()) + 1)


def begun_ns(tried: Event) -> int:
    """When a try of the journey began."""
    return tried.mono_ns - round(float(tried.data.get("took_s") or 0) * 1e9)


def _a_try_passed(trace: Trace, number: int) -> Result:
    tries = of_replica(observed(trace, "journey.tried"), number)
    injected = observed(trace, "fault.injected")
    since_ns = last_heal_ns(trace) if injected else 0
    after = [e for e in tries if begun_ns(e) >= since_ns]
    if passed := [e for e in after if e.data.get("passed") is True]:
        when = " after the heal" if injected else ""
        return holds(f"the journey passed{when}", passed[:1])
    if not after:
        return instead(trace, number, "the journey was not tried after the heal")
    says = f"the journey never passed after the heal: {after[-1].data.get('why')}"
    return not_seen(trace, says, after[-1:])


def _waiting(trace: Trace, number: int, step: int) -> list[Event]:
    """Why a step did not pass, in order: what the app answered, or else why it did not answer."""
    found = of_replica(observed(trace, "journey.waiting"), number)
    found = [e for e in found if e.data.get("step") == step]
    return [e for e in found if e.data.get("answered") is True] or found

"""What a phase did while it ran: whether it was cut short, or failed without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.ends import kills_of
from crashloop.checks.exits import exactly
from crashloop.checks.lines import PHASE_ENDS, is_running, phase_started, seconds, took_s
from crashloop.checks.lives import (
    Replicas,
    deaths,
    for_replicas,
    killed,
    of_replica,
    of_replicas,
)
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.durations import AT_ONCE, took
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def phase_running_at_death(
    trace: Trace, *, phase: str, times: int, replicas: Replicas = "each"
) -> Result:
    """Lives died, `times` in each replica, all while the phase had begun and not ended.

    Where the platform killed the life, the phase was running at the kill. Exactly `times` if
    there is one replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    for died in exits:
        if found := _not_running(trace, died, phase):
            return found

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"{counted(len(died), 'attempt')} died while phase {phase} was running"
        begun = [phase_started(trace, each, phase) for each in died]
        evidence = [each for each in begun if each is not None] + died
        return exactly(trace, says, died, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, often_enough)


def died_after_startup(trace: Trace, *, times: int, replicas: Replicas = "each") -> Result:
    """Lives died, `times` in each replica, each after it had logged that its start-up was complete.

    Exactly `times` if there is one replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    done = {each.seq: trace.first("startup.completed", life=each.life) for each in exits}
    for died in exits:
        name = trace.name(died.life)
        if done[died.seq]:
            continue
        if not trace.of("startup.started", life=died.life):
            return saw_nothing(f"{name} logged nothing of its start-up", [died])
        return refuted(f"{name} died before its start-up was complete", [died])

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"{counted(len(died), 'attempt')} died after start-up was complete"
        evidence = [each for one in died if (each := done[one.seq])] + died
        return exactly(trace, says, died, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, often_enough)


def told_to_stop(
    trace: Trace, *, while_starting: bool, times: int, replicas: Replicas = "each"
) -> Result:
    """Lives died, `times` in each replica, after a signal had come while they started, or later.

    The start is over when the life logs that it is complete. Exactly `times` if there is one
    replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        name, sent = trace.name(died.life), kills_of(trace, died)
        if not sent:
            return refuted(f"{name} died without having been told to stop", [died])
        done = trace.first("startup.completed", life=died.life)
        was_starting = done is None or sent[0].mono_ns < done.mono_ns
        if was_starting is not while_starting:
            when = "while it started" if was_starting else "after its start"
            return refuted(f"{name} was told to stop {when}", [sent[0], died])
        evidence += [sent[0], died]
    when = "while starting" if while_starting else "after the start"

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"{counted(len(died), 'attempt')} were told to stop {when}"
        own = of_replica(evidence, number)
        return exactly(trace, says, died, times, replicas, evidence=own)

    return for_replicas(trace, replicas, often_enough)


def fails_at_once(
    trace: Trace, *, phase: str, within_share: float = AT_ONCE, replicas: Replicas = "each"
) -> Result:
    """Each failure of the phase came within a share of its limit: refused, and nothing hung.

    "each": the phase failed in every replica; "some": in at least one.
    """
    failed = of_replicas(trace, trace.of("phase.failed", phase=phase))
    for event in failed:
        lasted_s, limit_s = took_s(trace, event), seconds(event.data, "limit_s")
        name = trace.name(event.life)
        if lasted_s is None or not limit_s:
            says = f"phase {phase} of {name} does not say how much of its limit it took"
            return saw_nothing(says, [event])
        if lasted_s > within_share * limit_s:
            share = f"{lasted_s / limit_s:.0%} of its limit, over {within_share:.0%}"
            says = f"phase {phase} of {name} failed after {share}: it did not fail at once"
            return refuted(says, [event])

    def failed_in(number: int) -> Result:
        own = of_replica(failed, number)
        if not own:
            return saw_nothing(f"phase {phase} never failed, so nothing says how soon it does")
        limit_s = seconds(own[0].data, "limit_s")
        lasted = took([took_s(trace, e) or 0.0 for e in own], limit_s=limit_s, scale=trace.scale)
        return holds(f"phase {phase} failed at once, after {lasted}", own)

    return for_replicas(trace, replicas, failed_in)


def _not_running(trace: Trace, died: Event, phase: str) -> Result | None:
    """Why the phase was not running when this life died; None if it was."""
    name = trace.name(died.life)
    begun = [e.data.get("phase") for e in trace.of("phase.started", life=died.life)]
    if not any(isinstance(each, str) for each in begun):
        return saw_nothing(f"{name} logged no phase, so nothing says what it did", [died])
    if is_running(trace, killed(trace, died) or died, phase):
        return None
    ended = trace.of(*PHASE_ENDS, life=died.life, phase=phase)
    if phase not in begun:
        return refuted(f"{name} died before phase {phase} began", [died])
    how = ended[-1].kind.removeprefix("phase.") if ended else "not begun"
    return refuted(f"phase {phase} of {name} had {how} before it died", [*ended, died])

"""What happened, in sentences made from a history and from nothing else. Pure."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.plural import listed, numbers, often
from crashloop.report.attempts import AS_FAR, MAX_GROUPS, attempts
from crashloop.report.tries import tries
from crashloop.report.words import sentence, sqlstate_words
from crashloop.trace.event import DEADLINE_PASSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.report.history import FaultSpan, History, JourneySpan, LifeSpan


def sentences(history: History) -> Iterator[str]:
    """What happened, in order, one sentence or two for each thing."""
    if history.control is not None and history.never_tested:
        yield f"In the control life, {history.control.why}."
        yield "No fault was injected, because the app has to work without one first."
        yield from _ending(history)
        return
    yield _baseline(history)
    faults = [list(found) for _, found in groupby(history.faults, key=lambda one: one.name)]
    if not faults and history.role == "control":
        yield "No fault was injected: this is the control run."
    said = [(spans[0].start_s, _fault(spans)) for spans in faults]
    said += [*attempts(history), *_old_revision(history), *_probes(history)]
    said += [heal for spans in faults for heal in _heals(history, spans)]
    said += _serving(history)
    yield from (text for _, text in sorted(said, key=lambda one: one[0]))
    yield from _server_errors(history)
    yield from _journeys(history)
    yield from tries(history)
    yield from _ending(history)


def clock_note(history: History) -> str:
    """What the time scale means for a reader; empty in real time."""
    if not history.is_scaled:
        return ""
    factor = plain(history.scale)
    divided = "every limit, delay and back-off is"
    if history.docker_restarts:
        divided = "every limit and delay, but not Docker's own back-off, is"
    started = "container" if history.is_on_docker else "process"
    work = f"starting a {started}, imports, queries"
    return (
        f"x{factor}: {divided} divided by {factor}, so 1 s here is "
        f"{factor} s of the incident. Real work ({work}) takes as "
        f"long as it always does, so it looks {factor} times longer on the incident's clock."
    )


def _baseline(history: History) -> str:
    names = [name for name, _, _ in history.dependencies]
    shown = [history.target(name) for name in names]
    if not history.lab_ready:
        what = listed([*shown, "the fault proxy"])
        verb = "were" if names else "was"
        if not history.has_ended:
            return sentence(f"{what} {verb} not up{AS_FAR}.")
        return f"The run ended before {what} {verb} up."
    if not names:
        return "The app has no dependency behind the proxy."
    other = [history.target(name) for name in names if name not in history.healthy]
    if other:
        return (
            f"It was not shown that {listed(other)} answered through the proxy before the first "
            "fault."
        )
    return f"Before any fault, {listed(shown)} answered through the proxy."


def _fault(spans: list[FaultSpan]) -> str:
    """A fault and who saw it act; `spans` are its injections."""
    fault = spans[0]
    kind, _, params = fault.says.partition(", ")
    says = params if kind == fault.name else fault.says  # a fault alone has the name of its kind
    if not fault.plugged:
        what = f" ({says})" if says else ""
        return (
            f"Fault {fault.name}{what} was planned, but the injector was unplugged: "
            "nothing was injected."
        )
    times = f" {often(len(spans))}" if len(spans) > 1 else ""
    what = f": {says}" if says else ""
    return f"Fault {fault.name} was injected{times}{what}. {fault.witness}"


def _heals(history: History, spans: list[FaultSpan]) -> Iterator[tuple[float, str]]:
    healed = [fault for fault in spans if fault.healed and fault.plugged]
    if not healed:
        return
    last = healed[-1]
    why = f", {last.trigger}" if last.trigger else ""
    when = f"at {_span(history, last.end_s)}"
    if len(healed) > 1:
        when = f"{often(len(healed))}, the last time {when}"
    yield last.end_s, f"Fault {last.name} was healed {when}{why}."


def _old_revision(history: History) -> Iterator[tuple[float, str]]:
    """The old revision's instances beside the new one."""
    old = sorted((life for life in history.lives if life.old), key=lambda life: life.replica)
    if not old:
        return
    start_s, end_s = min(life.start_s for life in old), max(life.end_s for life in old)
    until = f"until {_span(history, end_s)}" if all(life.exit for life in old) else "on"
    who = sentence(numbers("replica", sorted({life.replica for life in old})))
    ready = sorted({life.replica for life in old if life.ready_s is not None})
    served = f", and {numbers('replica', ready)} served" if ready else ""
    if len(ready) == len(old):
        served = ", and served"
    when = f"from {_span(history, start_s)} {until}"
    what = "an instance" if len({life.replica for life in old}) == 1 else "instances"
    yield start_s, f"{who}, {what} of the old revision, ran beside the new one {when}{served}."


def _probes(history: History) -> Iterator[tuple[float, str]]:
    """Probes that failed without having a life killed."""
    found = [
        (life, probe)
        for life in history.lives
        for probe in life.probes
        if probe.probe not in {kill.by for kill in life.kills}
    ]
    for life, probe in found[:MAX_GROUPS]:
        whose, when = history.name(life), _span(history, probe.at_s)
        times = f"{often(probe.failures)} in a row"
        yield probe.at_s, f"The {probe.probe} of {whose} had failed {times} by {when}."


def _server_errors(history: History) -> Iterator[str]:
    """What the servers logged, where no fault's receipt has said so."""
    told = " ".join(fault.witness for fault in history.faults)
    for target, errors in groupby(history.server_errors, key=lambda error: error.target):
        said = [(e.sqlstate, e.times) for e in errors if e.sqlstate not in told]
        if said:
            yield f"{sentence(sqlstate_words(history.target(target), said))}."


def _serving(history: History) -> Iterator[tuple[float, str]]:
    """Who served and who was ready, and since when."""
    ready: list[LifeSpan] = []
    never: list[int] = []
    early: list[LifeSpan] = []
    for replica, lives in history.by_replica().items():
        if lives[0].old:
            continue
        first = next((life for life in lives if life.ready_s is not None), None)
        tried = lives if first is None else lives[: lives.index(first) + 1]
        early += [one for one in tried if one.serves_s is not None and one.serves_s != one.ready_s]
        if first is None:
            never.append(replica)
        else:
            ready.append(first)
    for life in early[:MAX_GROUPS]:
        serves_s = life.serves_s or 0.0
        who, when = sentence(history.name(life)), _span(history, serves_s)
        yield serves_s, f"{who} served from {when} on, before it was fully ready."
    yield from _ready(history, ready)
    if never:
        which = f" of {numbers('replica', never)}" if history.several else ""
        so_far = "" if history.has_ended else AS_FAR
        yield math.inf, f"No attempt{which} became ready{so_far}."


def _ready(history: History, ready: list[LifeSpan]) -> Iterator[tuple[float, str]]:
    """When the replicas became ready, and how long after the last heal before it."""
    if not ready:
        return
    times = [life.ready_s or 0.0 for life in ready]
    who, was = history.name(ready[0]), "was"
    when = f"at {_span(history, min(times))}"
    if len(ready) > 1:
        who, was = numbers("replica", [life.replica for life in ready]), "were"
        when = f"between {_span(history, min(times))} and {_span(history, max(times))}"
    heals = [f.end_s for f in history.faults if f.healed and f.plugged]
    after = [max(times) - heal for heal in heals if max(times) >= heal]
    later = f", {_span(history, min(after))} after the heal" if after else ""
    if len(ready) > 1 and later:
        later = f", the last{later.removeprefix(',')}"
    yield max(times), f"{sentence(who)} {was} ready {when}{later}."


def _journeys(history: History) -> Iterator[str]:
    """Who passed the journey, step by step, and where it ended for the others."""
    alike: dict[tuple[object, ...], list[JourneySpan]] = {}
    for journey in history.journeys:
        key = (journey.passed, journey.steps, journey.failed, journey.waiting)
        alike.setdefault(key, []).append(journey)
    for same in list(alike.values())[:MAX_GROUPS]:
        one = same[0]
        where = ""
        if history.several:
            where = f" in {numbers('replica', [each.replica for each in same])}"
        steps = f": {'; '.join(one.steps)}" if one.steps else ""
        done = f"{len(one.steps)} of {one.total} steps"
        if one.passed:
            yield f"The journey passed{where}{steps}."
        elif one.failed:
            before = f" after {done}" if one.steps else ""
            yield f"The journey failed{where}{before}: {one.failed}."
        else:
            why = f"; step {len(one.steps) + 1} did not pass: {one.waiting}" if one.waiting else ""
            so_far = "" if history.has_ended else AS_FAR
            yield f"The journey passed {done}{where}{so_far}{steps}{why}."


def _ending(history: History) -> Iterator[str]:
    ending = history.ending
    reasons: dict[str, list[int]] = {}
    for replica, reason in ending.gave_up.items():
        reasons.setdefault(reason, []).append(replica)
    for reason, replicas in reasons.items():
        which = f" {numbers('replica', sorted(replicas))}" if history.several else ""
        yield f"The platform gave up{which}: {reason}."
    if ending.how == DEADLINE_PASSED:
        yield "The run reached its deadline and was ended."
    if ending.interrupted:
        yield "The run was interrupted from outside."
    if ending.refused:
        yield f"The run was refused: {ending.refused}."
    if ending.failure:
        yield f"The harness broke: {ending.failure}."
    if not ending.how:
        yield "The trace has no end: the run was killed, or is still running."
    if ending.torn:
        yield "The trace's last line is torn off and was left out."


def _span(history: History, wall_s: float) -> str:
    if not history.is_scaled:
        return f"{wall_s:.1f} s"
    return f"{history.incident_s(wall_s):.0f} s ({wall_s:.1f} s here)"

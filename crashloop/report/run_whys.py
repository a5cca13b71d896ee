"""Why attempts died in a run: from what somebody on call would see to the fault. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lives import deaths, observed
from crashloop.checks.result import UNREADABLE
from crashloop.checks.touches import touches
from crashloop.diagnosis.case import LifeLog
from crashloop.diagnosis.chain import links
from crashloop.diagnosis.quote import root_of
from crashloop.diagnosis.steps import alike, doing, each_time, failures, steps_back, there
from crashloop.diagnosis.why import MAX_WHYS, Why, Whys
from crashloop.logs.event import SERVER
from crashloop.model import Verdict
from crashloop.plural import counted, listed, often
from crashloop.report.clean import clean, label, listing, mapping
from crashloop.report.receipts import WEAK, witness_words
from crashloop.report.words import count_of, fault_words, probe_words, sentence, sqlstate_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from crashloop.checks.touch import Touch
    from crashloop.diagnosis.steps import Step
    from crashloop.model import Judgement, Life
    from crashloop.report.history import History
    from crashloop.trace.event import Event, Trace

MAX_EVENTS = 12
"""How many events a step cites: the first ones."""
MAX_FAULTS = 3
_VERBS = {
    "link.held": "held",
    "link.delayed": "delayed",
    "link.dropped": "dropped",
    "link.failed": "broke",
    "link.turned_away": "turned away",
    "gate.refused": "refused",
    "gate.syn_seen": "dropped the SYNs of",
}
_BROKE = "The harness broke, so that nothing of this run says why the app failed."
_NO_DEATH = "No attempt died, so there is nothing to answer."
_NO_RECEIPT = "The trace ends here: no receipt shows that a fault touched these attempts."
_FAULT = "This run injected the fault on purpose; why it came about is in the outage's own source."


def whys_of_run(trace: Trace, judgement: Judgement, history: History) -> Whys:
    """The chain of the attempts that died in the most frequent way; no step for none."""
    if judgement.verdict is Verdict.HARNESS_ERROR:
        return Whys(steps=(), ends=_BROKE)
    died = _died(trace)
    if not died:
        return Whys(steps=(), ends=_NO_DEATH)
    same = alike(died)
    own = [_symptom(trace, died, same), *_ends(trace, same)]
    told = {e.seq for _, found in own for e in found}
    receipts = [*_receipts(trace, same, history)]
    new = [step for step in receipts if not {e.seq for e in step[1]} <= told]
    steps = [*own, *_refusals(trace, own[-1][1], receipts, history), *new]
    whys = [Why(says=clean(says), events=_each_once(found)) for says, found in _bounded(steps)]
    return Whys(steps=tuple(whys), ends=_FAULT if receipts else _NO_RECEIPT)


def _bounded(steps: Sequence[Step]) -> Sequence[Step]:
    """Seven steps at most: without what a server says of itself if there are more."""
    if len(steps) > MAX_WHYS:
        steps = [(says, found) for says, found in steps if found[0].kind != SERVER]
    return steps[:MAX_WHYS]


def _each_once(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple({e.seq: e for e in events}.values())[:MAX_EVENTS]


def _died(trace: Trace) -> list[LifeLog]:
    """The lives that the harness did not end, with their events."""
    ended = [e.life for e in deaths(trace) if e.life is not None]
    of_life: dict[Life, list[Event]] = {life: [] for life in ended}
    for event in trace.events:
        if event.life in of_life:
            of_life[event.life].append(event)
    return [
        LifeLog(source=str(life.replica), attempt=life.attempt, events=tuple(events))
        for life, events in of_life.items()
    ]


def _symptom(trace: Trace, died: Sequence[LifeLog], same: Sequence[LifeLog]) -> Step:
    ends = there(life.exit for life in died)
    replicas = len({life.source for life in died})
    who = f"{counted(replicas, 'replica')} of the app" if replicas > 1 else "The app"
    attempts = counted(len(died), "attempt")
    ready = sum(_was_ready(trace, life) for life in died)
    when = " before it was ready" if len(died) == 1 else " before they were ready"
    if ready:
        some = f", {ready} of them" if ready < len(died) else ""
        when = f"{some} after {'it' if ready == 1 else 'they'} had been ready"
    others = f"; {len(same)} died in the same way" if len(same) < len(died) else ""
    return f"{who} did not stay up: {attempts} died{when}{others}.", ends


def _was_ready(trace: Trace, life: LifeLog) -> bool:
    answers = observed(trace, "ready.answered", life=life.events[0].life)
    return any(e.data.get("ready") is True for e in answers)


def _ends(trace: Trace, lives: Sequence[LifeLog]) -> Iterator[Step]:
    """What ended these lives, back to their errors; a platform's kill leads to its probe."""
    kills = [_kill(trace, life) for life in lives]
    if not all(kills):
        yield from steps_back(lives, scale=trace.scale)
        return
    found = there(kills)
    by = probe_words(found[-1].data.get("by", "?"))
    yield each_time(lives, f"The platform killed it for the {by}."), found
    failed = there(_before(trace, kill, "probe.failed") for kill in found)
    if failed:
        times = often(count_of(failed[-1].data.get("failures")))
        yield each_time(lives, f"That probe had failed {times}."), failed
    said = [*failures(lives, kills, scale=trace.scale)]
    yield from said or doing(lives)


def _kill(trace: Trace, life: LifeLog) -> Event | None:
    return next(iter(observed(trace, "process.killed", life=life.events[0].life)), None)


def _before(trace: Trace, kill: Event, kind: str) -> Event | None:
    found = observed(trace, kind, life=kill.life)
    return next((e for e in reversed(found) if e.mono_ns <= kill.mono_ns), None)


def _refusals(
    trace: Trace, errors: Sequence[Event], receipts: Sequence[Step], history: History
) -> Iterator[Step]:
    """What the database itself logged with the SQLSTATE of these errors, if no receipt is that."""
    roots = [root_of(chain) for e in errors if (chain := links(e))]
    states = [root["sqlstate"] for root in roots if root.get("sqlstate")]
    told = {e.seq for _, found in receipts for e in found}
    said = observed(trace, "database.error")
    found = [e for e in said if e.data.get("sqlstate") in states and _is_before(e, errors[-1])]
    if found and not told & {e.seq for e in found}:
        who, state = history.target(label(found[-1].target, 24)), found[-1].data["sqlstate"]
        yield f"{sentence(sqlstate_words(who, [(label(state, 8), len(found))]))}.", found


def _receipts(trace: Trace, lives: Sequence[LifeLog], history: History) -> Iterator[Step]:
    """Who saw which fault act on these lives, and the faults."""
    ends = {life.events[0].life: life.exit for life in lives}
    touched: dict[str, list[Touch]] = {}
    seen: list[str] = []
    events: list[Event] = []
    for planned in listing(trace.scenario.get("faults"))[:MAX_FAULTS]:
        fault = mapping(planned)
        found = [t for t in _touches(trace, fault) if _is_before(t.event, ends.get(t.life))]
        if found:
            touched[str(fault.get("name"))] = found
            events += [touch.event for touch in found]
            weak = WEAK if all(touch.is_weak for touch in found) else ""
            seen.append(_witness(fault, found, history) + weak)
    if not touched:
        return
    yield " ".join(seen), sorted(events, key=lambda event: event.seq)
    firsts = {name: min(t.begins_ns for t in found) for name, found in touched.items()}
    injected = [
        e
        for e in observed(trace, "fault.injected")
        if e.data.get("plugged") is not False
        and _began(e) <= firsts.get(str(e.data.get("fault")), -1)
    ]
    if injected:
        names = dict.fromkeys(_fault(e.data) for e in injected)
        verb = "was" if len(names) == 1 else "were"
        yield f"Fault {listed([*names])} {verb} injected.", injected


def _witness(fault: Mapping[str, Any], found: Sequence[Touch], history: History) -> str:
    """What the fault did to connections, and who saw it; of another one, who saw it act."""
    says = witness_words(fault, [touch.event for touch in found], history)
    is_app = mapping(fault.get("receipt")).get("grade") == "client"
    verb = "refused" if is_app else _VERBS.get(found[-1].event.kind)
    if verb is None:
        return says
    target = history.target(label(fault.get("target"), 24))
    does = f"The fault {verb} connections to {target}"
    return f"{does}. {says}" if is_app else says.replace("It touched the app", does, 1)


def _touches(trace: Trace, fault: Mapping[str, Any]) -> list[Touch]:
    try:
        return touches(trace, fault)
    except UNREADABLE:  # not a trace as a run writes it
        return []


def _is_before(event: Event, end: Event | None) -> bool:
    return end is not None and event.mono_ns <= end.mono_ns


def _began(event: Event) -> int:
    begun = event.data.get("begun_ns")
    return begun if isinstance(begun, int) else event.mono_ns


def _fault(data: Mapping[str, Any]) -> str:
    name, says = label(data.get("fault"), 40), fault_words(data)
    return name if says == name else f"{name} ({says})"

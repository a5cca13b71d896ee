"""What the control life of the user's own app showed, and whether its waits can be scaled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from crashloop.checks.connections import gone_of, is_own, of_link
from crashloop.checks.limits import waits_of
from crashloop.checks.lives import deaths, in_control, lives, observed
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.result import Result, holds, saw_nothing
from crashloop.checks.touches import OF_REPLICAS, planned_faults, touches
from crashloop.durations import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.trace.event import Event, Trace

# A scaled run is fair if what is not scaled is small beside what is: a quarter of a life at most.
MAX_UNDECLARED = 0.25

# Real work varies between two starts on a busy machine. Chosen: the share of a start that may.
STARTS_VARY = 0.5

# Chosen: how much longer than all declared times together one wait may last. Measured on five
# services, a limit of 1.0 s ended a wait after 1.00 to 1.01 s.
LATE_SHARE, LATE_S = 0.1, 0.1


def control_passed(trace: Trace) -> Result:
    """Before any fault, the app started, was ready, got its journey through, and was stopped."""
    failed = in_control(trace, "control.failed")
    if failed:
        return saw_nothing(f"without a fault, {failed[0].data.get('why')}", failed)
    ready, ended = in_control(trace, "control.ready"), in_control(trace, "control.ended")
    if not ready or not ended:
        return saw_nothing("the app was never shown to start without a fault")
    after_s = float(ready[0].data["after_s"])
    says = f"without a fault, the app was ready after {after_s:.1f} s"
    return holds(says, [*ready, *ended])


def waits_are_declared(trace: Trace) -> Result:
    """In a scaled run, lives did not spend over a quarter of their time on waits of their own.

    A wait that the entry declares, by a timer or a knob, is scaled. A life waits when it has no
    connection to a fault's target, and when it waits for one that it then gives up. Such a wait is
    undeclared if it is longer than all declared times together; before the first connection and
    after the last, a start is real work. The app has the same waits in each life that died: what
    only some of them had is due to a busy machine.
    """
    if trace.scale <= 1:
        return holds("in real time, no wait needs to be scaled", in_control(trace, "control.ready"))
    ready = in_control(trace, "control.ready")
    if not ready:
        return saw_nothing("the app was never shown to start without a fault")
    start_s = max(_starts_s(trace, ready)) * (1 + STARTS_VARY)
    declared_s = sum(_declared_s(trace)) / trace.scale
    found = list(_own_waits(trace, start_s, declared_s))
    shortest = min(found, key=lambda wait: wait.share, default=None)
    if shortest is None or shortest.share <= MAX_UNDECLARED:
        return holds("what the app waited for is scaled", ready)
    return saw_nothing(
        f"{trace.name(shortest.died.life)} waited {shortest.own_s:.1f} of its "
        f"{shortest.life_s:.1f} s for a time that its entry does not declare, which time scale "
        f"{plain(trace.scale)} does not scale: add it to `timers`, or run with --real-time",
        [shortest.started, shortest.died],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnWait:
    """How long a life that died waited on its own."""

    own_s: float
    life_s: float
    started: Event
    died: Event

    @property
    def share(self) -> float:
        return self.own_s / self.life_s if self.life_s > 0 else 0.0


def _own_waits(trace: Trace, start_s: float, declared_s: float) -> Iterator[_OwnWait]:
    """One for each life that died."""
    for died in deaths(trace):
        started = trace.first("process.started", life=died.life)
        if started is None:
            continue
        contacts = sorted(_contacts(trace, started, died))
        first_s, *between_s = _pauses(contacts, started.mono_ns, died.mono_ns)
        *between_s, last_s = between_s or [0.0]
        waits = [wait for name in _targets(trace) for wait in waits_of(trace, name, died)]
        given_up_s = max((wait.lasted_ns / 1e9 for wait in waits), default=0.0)
        worked_s = [max(0.0, pause_s - start_s) for pause_s in (first_s, last_s)]
        longest_s = declared_s * (1 + LATE_SHARE) + LATE_S
        own_s = sum(s for s in (*worked_s, *between_s, given_up_s) if s > longest_s)
        life_s = (died.mono_ns - started.mono_ns) / 1e9
        yield _OwnWait(own_s=own_s, life_s=life_s, started=started, died=died)


def _starts_s(trace: Trace, ready: list[Event]) -> Iterator[float]:
    """How long starts without a fault took: the control life's, and those after the last heal."""
    yield float(ready[0].data["after_s"])
    healed_ns = last_heal_ns(trace)
    for life in lives(trace):
        started = trace.first("process.started", life=life)
        answers = observed(trace, "ready.answered", life=life)
        first = next((e for e in answers if e.data.get("ready") is True), None)
        if started and first and started.mono_ns > healed_ns:
            yield (first.mono_ns - started.mono_ns) / 1e9


def _declared_s(trace: Trace) -> Iterator[float]:
    """The times that the app's entry declares, in seconds of the incident."""
    app = trace.scenario.get("app") or {}
    env, knobs = app.get("env") or {}, app.get("knobs") or {}
    yield from (float(env[name]) for name in app.get("timers") or () if name in env)
    yield from (float(value) for name, value in knobs.items() if name.endswith("_s"))


def _pauses(contacts: list[tuple[int, int]], began_ns: int, ended_ns: int) -> list[float]:
    """How long a life had no contact with any dependency, each time, in seconds."""
    spans = [(began_ns, began_ns)]
    for since_ns, until_ns in [*contacts, (ended_ns, ended_ns)]:
        spans.append((since_ns, max(until_ns, spans[-1][1])))
    return [max(0, after[0] - before[1]) / 1e9 for before, after in pairwise(spans)]


def _targets(trace: Trace) -> set[str]:
    """The dependencies that faults act on; faults of the app's instances act on every one."""
    targets = {str(fault["target"]) for fault in planned_faults(trace)}
    if OF_REPLICAS in targets:
        targets |= {str(each["name"]) for each in trace.scenario.get("dependencies") or ()}
    return targets


def _contacts(trace: Trace, started: Event, died: Event) -> Iterator[tuple[int, int]]:
    """When a life had a connection to a fault's target, or a SYN on its way; when it was refused.

    Bounded by its start and its end: a link's end is seen a little later than that of its process.
    """
    for event in observed(trace, "link.opened", "gate.syn_seen", life=died.life):
        if event.target not in _targets(trace) or not is_own(trace, event):
            continue
        is_link = event.kind == "link.opened"
        ends = of_link(trace, "link.closed", event) if is_link else gone_of(trace, event)
        yield max(event.mono_ns, started.mono_ns), min([died.mono_ns, *(e.mono_ns for e in ends)])
    for fault in planned_faults(trace):
        if fault["receipt"]["whose"] == "app":
            found = [touch for touch in touches(trace, fault) if touch.life == died.life]
            yield from ((touch.begins_ns, touch.begins_ns) for touch in found)

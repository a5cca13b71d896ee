"""What the control life of the user's own app showed, and whether its waits can be scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.lives import deaths, observed
from crashloop.checks.result import Result, holds, saw_nothing
from crashloop.durations import plain

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# A scaled run is fair if what is not scaled is small beside what is: a quarter of a life at most.
MAX_UNDECLARED = 0.25

# Real work varies between two starts on a busy machine. Chosen: the share of a start that may.
STARTS_VARY = 0.5


def control_passed(trace: Trace) -> Result:
    """Before any fault, the app started, was ready, got its journey through, and was stopped."""
    failed = in_control(trace, "control.failed")
    if failed:
        return saw_nothing(f"without a fault, {failed[0].data.get('why')}", failed)
    ready, ended = in_control(trace, "control.ready"), in_control(trace, "control.ended")
    if not ready or not ended:
        return saw_nothing("the app was never shown to start without a fault")
    says = f"without a fault, the app was ready after {start_s(trace):.1f} s"
    return holds(says, [*ready, *ended])


def waits_are_declared(trace: Trace) -> Result:
    """In a scaled run, no life that died spent over a quarter of its time on waits of its own.

    Those are what is left of it less a start as in the control life, the time in which it was
    connecting or connected to a dependency, and the timers that its entry declares.
    """
    if trace.scale <= 1:
        return holds("in real time, no wait needs to be scaled", in_control(trace, "control.ready"))
    ready = in_control(trace, "control.ready")
    if not ready:
        return saw_nothing("the app was never shown to start without a fault")
    starting_s = start_s(trace) * (1 + STARTS_VARY)
    declared_s = sum(_timers_s(trace)) / trace.scale
    for died in deaths(trace):
        started = trace.first("process.started", life=died.life)
        if started is None:
            continue
        life_s = (died.mono_ns - started.mono_ns) / 1e9
        own_s = life_s - _connected_s(trace, started, died) - starting_s - declared_s
        if own_s > MAX_UNDECLARED * life_s:
            return saw_nothing(
                f"{trace.name(died.life)} waited {own_s:.1f} of its {life_s:.1f} s on its own: at "
                f"time scale {plain(trace.scale)} that is too long, as its entry does not declare "
                "it; add it to `timers`, or run with --real-time",
                [started, died],
            )
    return holds("what the app waited for is scaled", ready)


def start_s(trace: Trace) -> float:
    """How long the app took to be ready without a fault, in wall seconds; 0 if nothing says so."""
    ready = in_control(trace, "control.ready")
    return float(ready[0].data["after_s"]) if ready else 0.0


def in_control(trace: Trace, *kinds: str) -> list[Event]:
    """What was observed of the control life."""
    return [e for e in trace.control if e.kind in kinds and e.source != "app"]


def _timers_s(trace: Trace) -> list[float]:
    app = trace.scenario.get("app") or {}
    env = app.get("env") or {}
    return [float(env[name]) for name in app.get("timers") or () if name in env]


def _connected_s(trace: Trace, started: Event, died: Event) -> float:
    """How long a life had a connection to a dependency, or a SYN on its way to one."""
    spans = []
    for event in observed(trace, "link.opened", "gate.syn_seen", life=died.life):
        if not is_own(trace, event):
            continue
        if event.kind == "link.opened":
            ends = of_link(trace, "link.closed", event)
        else:
            gone = observed(trace, "gate.syn_gone", target=event.target)
            ends = [e for e in gone if e.data.get("inode") == event.data.get("inode")]
        until_ns = min([died.mono_ns, *(e.mono_ns for e in ends)])
        spans.append((max(event.mono_ns, started.mono_ns), until_ns))
    total_ns, reached_ns = 0, 0
    for since_ns, until_ns in sorted(spans):
        total_ns += max(until_ns - max(since_ns, reached_ns), 0)
        reached_ns = max(reached_ns, until_ns)
    return total_ns / 1e9

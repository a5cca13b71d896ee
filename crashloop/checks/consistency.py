"""Whether a trace is complete, and consistent where it records something twice."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from crashloop.checks.lives import observed
from crashloop.model import CONTROL
from crashloop.trace.event import WRITTEN_IN_ORDER

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# `run_s` is rounded to microseconds.
_ROUNDING_S = 1e-5


def gap(trace: Trace) -> tuple[str, list[Event]] | None:
    """What is missing from the trace, in words; None if nothing is."""
    if trace.torn_line:
        return "the trace's last line is torn: the harness was killed while it wrote", []
    numbers = sorted(event.seq for event in trace.events)
    for expected, seen in enumerate(numbers, start=1):
        if seen != expected:
            return f"the trace has seq {seen} where seq {expected} should be", []
    finished = trace.first("run.finished")
    if finished is None:
        return "the trace has no end: the run did not finish", []
    if finished.seq != len(numbers):
        return "events follow the run's own end", [finished]
    written = finished.data["events"]
    if written != len(numbers):
        return f"the run wrote {written} events, and {len(numbers)} are here", [finished]
    return _cut_off(trace)


def _cut_off(trace: Trace) -> tuple[str, list[Event]] | None:
    """The life that logged more than the harness reads, so that evidence may be lost."""
    cut_off = trace.first("app.truncated")
    if cut_off is None:
        return None
    whose = trace.name(cut_off.life)
    return f"the output of {whose} was cut off: {cut_off.data.get('why')}", [cut_off]


def contradiction(trace: Trace) -> tuple[str, list[Event]] | None:
    """The first contradiction in words, with the events; None if there is none."""
    return _order(trace) or _lives(trace) or _lines(trace)


def _order(trace: Trace) -> tuple[str, list[Event]] | None:
    """Two events of one writer that are not in the order of their instants.

    The errors in a server's log are left out: each is written once its client is known.
    """
    by_seq = sorted((e for e in trace.events if "sqlstate" not in e.data), key=lambda e: e.seq)
    for sources in WRITTEN_IN_ORDER:
        for before, after in pairwise([e for e in by_seq if e.source in sources]):
            if before.mono_ns > after.mono_ns:
                late = f"seq {after.seq} was written after seq {before.seq}"
                return f"{late}, yet has an earlier instant", [before, after]
    return None


def _lives(trace: Trace) -> tuple[str, list[Event]] | None:
    """A life that did not start once and end once, as the same process."""
    started, exited = observed(trace, "process.started"), observed(trace, "process.exited")
    begun = {e.life: e for e in started}
    ended = {e.life: e for e in exited}
    if len(begun) != len(started) or len(ended) != len(exited):
        return "an attempt started or ended more than once", [*started, *exited]
    for life, start in begun.items():
        if life not in ended:
            return f"{trace.name(life)} has no recorded end", [start]
    for life, end in ended.items():
        if life not in begun:
            return f"{trace.name(life)} ended and was never started", [end]
        if found := _differing(begun[life], end):
            return f"{trace.name(life)} {found}", [begun[life], end]
    return None


def _differing(start: Event, end: Event) -> str | None:
    """How a life's start and end contradict each other."""
    if start.data["pid"] != end.data["pid"]:
        return "ended with another pid than it began with"
    life_s = (end.mono_ns - start.mono_ns) / 1e9
    if abs(life_s - float(end.data["run_s"])) > _ROUNDING_S:
        return f"ran {end.data['run_s']} s as its end says, and {life_s:.6f} s by its instants"
    if end.data.get("exit_code") is not None and end.data.get("signal"):
        return "ended with both an exit code and a signal"
    return None


def _lines(trace: Trace) -> tuple[str, list[Event]] | None:
    """A line of the app from outside its life."""
    spans = {e.life: [e.mono_ns] for e in observed(trace, "process.started")}
    control = ("control.started", "control.ended")
    spans[CONTROL] = [e.mono_ns for e in trace.control if e.kind in control]
    for e in observed(trace, "process.exited"):
        spans[e.life].append(e.mono_ns)
    for event in trace.events:
        if event.source != "app":
            continue
        span = spans.get(event.life)
        if not span or not span[0] <= event.mono_ns <= span[-1]:
            return f"the app's line seq {event.seq} lies outside its attempt's life", [event]
    return None

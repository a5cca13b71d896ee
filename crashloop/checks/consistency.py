"""Whether a trace is complete, and consistent where it records something twice."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# Sources that write events in the order of their instants: the harness at once, the proxy as they
# arrive from its process. An app's lines may arrive in another order.
_IN_ORDER = (frozenset({"harness", "database", "cache"}), frozenset({"proxy"}))

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
    """The attempt that logged more than the harness reads, so that evidence may be lost."""
    cut_off = trace.first("app.truncated")
    if cut_off is None:
        return None
    return f"attempt {cut_off.attempt}'s output was cut off: {cut_off.data.get('why')}", [cut_off]


def contradiction(trace: Trace) -> tuple[str, list[Event]] | None:
    """The first contradiction in words, with the events; None if there is none."""
    return _order(trace) or _attempts(trace) or _lines(trace)


def _order(trace: Trace) -> tuple[str, list[Event]] | None:
    """Two events of one writer that are not in the order of their instants."""
    by_seq = sorted(trace.events, key=lambda e: e.seq)
    for sources in _IN_ORDER:
        for before, after in pairwise([e for e in by_seq if e.source in sources]):
            if before.mono_ns > after.mono_ns:
                late = f"seq {after.seq} was written after seq {before.seq}"
                return f"{late}, yet has an earlier instant", [before, after]
    return None


def _attempts(trace: Trace) -> tuple[str, list[Event]] | None:
    """An attempt that did not start once and end once, as the same process."""
    started, exited = trace.of("process.started"), trace.of("process.exited")
    begun = {e.attempt: e for e in started}
    ended = {e.attempt: e for e in exited}
    if len(begun) != len(started) or len(ended) != len(exited):
        return "an attempt started or ended more than once", [*started, *exited]
    for attempt, start in begun.items():
        if attempt not in ended:
            return f"attempt {attempt} has no recorded end", [start]
    for attempt, end in ended.items():
        if attempt not in begun:
            return f"attempt {attempt} ended and was never started", [end]
        if found := _life(begun[attempt], end):
            return f"attempt {attempt} {found}", [begun[attempt], end]
    return None


def _life(start: Event, end: Event) -> str | None:
    """How an attempt's start and end contradict each other."""
    if start.data["pid"] != end.data["pid"]:
        return "ended with another pid than it began with"
    life_s = (end.mono_ns - start.mono_ns) / 1e9
    if abs(life_s - float(end.data["run_s"])) > _ROUNDING_S:
        return f"ran {end.data['run_s']} s as its end says, and {life_s:.6f} s by its instants"
    if end.data.get("exit_code") is not None and end.data.get("signal"):
        return "ended with both an exit code and a signal"
    return None


def _lines(trace: Trace) -> tuple[str, list[Event]] | None:
    """A line of the app from outside its attempt's life."""
    lives = {e.attempt: [e.mono_ns] for e in trace.of("process.started")}
    for e in trace.of("process.exited"):
        lives[e.attempt].append(e.mono_ns)
    for event in trace.events:
        if event.source != "app":
            continue
        life = lives.get(event.attempt)
        if life is None or not life[0] <= event.mono_ns <= life[-1]:
            return f"the app's line seq {event.seq} lies outside its attempt's life", [event]
    return None

"""Whether the run was a fair test: complete evidence, healthy baseline, right path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, was_refused
from crashloop.checks.consistency import contradiction, gap
from crashloop.checks.lines import PHASE_ENDS
from crashloop.checks.result import Result, holds, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def evidence_complete(trace: Trace) -> Result:
    """No line is missing, and no two lines contradict each other.

    `seq` counts from 1 without a gap, the run wrote its own end and counted its events, every
    attempt ended once, and what is recorded twice is consistent.
    """
    if found := gap(trace) or contradiction(trace):
        return saw_nothing(*found)
    return holds(f"all {len(trace.events)} events are present", trace.of("run.finished"))


def baseline_passed(trace: Trace) -> Result:
    """Before any attempt and any fault, the harness's own query went through the same path."""
    passed = trace.first("baseline.passed")
    if passed is None:
        return saw_nothing("the path was never shown to work before the fault")
    link = passed.data.get("link")
    connected = [e for e in trace.of("link.connected") if e.data.get("link") == link]
    if not connected:
        return saw_nothing("the baseline's connection was not seen in the proxy", [passed])
    later = trace.of("process.started", "fault.injected")
    if later and later[0].mono_ns < passed.mono_ns:
        what = "an attempt was started" if later[0].kind == "process.started" else "a fault was on"
        return saw_nothing(f"{what} before the baseline was taken", [later[0], passed])
    return holds(
        "a query through the proxy worked before the first attempt", [connected[0], passed]
    )


def path_used(trace: Trace) -> Result:
    """In every attempt, phase database came to the proxy: by a connection, a SYN or a refusal.

    Another phase's connections do not count. An attempt that stored a message needs a connection
    that reached the database.
    """
    reached = trace.of("phase.started", phase="database")
    if not reached:
        if not trace.of("phase.started"):
            return saw_nothing("no attempt logged a phase, so nothing says who used the path")
        return saw_nothing("no attempt reached phase database, so the path was never used")
    evidence = []
    for started in reached:
        used = _uses(trace, started)
        if not used:
            return saw_nothing(
                f"attempt {started.attempt} reached phase database but never the proxy in it",
                [started],
            )
        evidence.append(used[0])
    for row in trace.of("golden.row"):
        connected = trace.of("link.connected", attempt=row.attempt)
        if not any(e.mono_ns < row.mono_ns and is_own(trace, e) for e in connected):
            return saw_nothing(
                f"attempt {row.attempt} stored a message, though none of its connections had "
                "reached Postgres: it has another way there",
                [row],
            )
    attempts = counted(len({e.attempt for e in reached}), "attempt")
    return holds(f"{attempts} came through the proxy", evidence)


def _uses(trace: Trace, started: Event) -> list[Event]:
    """How phase database came to the proxy before it, or its attempt, ended."""
    ends = trace.of(*PHASE_ENDS, "process.exited", attempt=started.attempt)
    ended = [e for e in ends if e.mono_ns >= started.mono_ns][:1]
    seen = trace.of("link.opened", "gate.syn_seen", attempt=started.attempt)
    uses = [e for e in seen if e.mono_ns >= started.mono_ns and is_own(trace, e)]
    uses = [e for e in uses if not ended or e.mono_ns <= ended[0].mono_ns]
    return uses or [e for e in ended if was_refused(e, trace.database_address)]

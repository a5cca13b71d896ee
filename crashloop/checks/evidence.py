"""Whether the run was a fair try: whole evidence, healthy baseline, right path, fair scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, was_refused
from crashloop.checks.consistency import contradiction, gap
from crashloop.checks.lines import seconds, took_s
from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# A scaled run is fair while real work is small beside scaled limits: a quarter at most.
MAX_WORK_OF_LIMIT = 0.25


def evidence_complete(trace: Trace) -> Result:
    """No line is missing, and no two lines contradict each other.

    `seq` counts from 1 without a gap, the run wrote its own end and counted its events, every
    attempt ended once, and what is recorded twice is consistent.
    """
    if found := gap(trace) or contradiction(trace):
        return saw_nothing(*found)
    return holds(f"all {len(trace.events)} events are there", trace.of("run.finished"))


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

    Those of another phase do not count. An attempt that stored a message needs a connection that
    reached the database.
    """
    reached = trace.of("phase.started", phase="database")
    if not reached:
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
    return holds(f"{len({e.attempt for e in reached})} attempts came through the proxy", evidence)


def scale_is_fair(trace: Trace) -> Result:
    """Without a fault, no phase takes over a quarter of its scaled limit."""
    shares = [(_share(trace, event), event) for event in trace.of("phase.completed")]
    known = [(share, event) for share, event in shares if share is not None]
    if not known:
        return saw_nothing("no phase completed under a limit, so the time scale cannot be weighed")
    share, slowest = max(known, key=lambda each: each[0])
    what = f"phase {slowest.data.get('phase')} took {share:.0%} of its limit"
    if share > MAX_WORK_OF_LIMIT and trace.scale > 1:
        usable = max(1, math.floor(trace.scale * MAX_WORK_OF_LIMIT / share))
        return refuted(
            f"{what} at time scale {trace.scale:g}, over a quarter: the scale is unfair here; "
            f"the largest usable one is {usable}",
            [slowest],
        )
    return holds(f"{what} at most", [slowest])


def _end(trace: Trace, started: Event) -> Event | None:
    """What ended phase database, be it the attempt's own end; None where nothing did."""
    ends = trace.of(
        "phase.completed", "phase.failed", "phase.degraded", "process.exited",
        attempt=started.attempt,
    )  # fmt: skip
    own = [e for e in ends if e.kind == "process.exited" or e.data.get("phase") == "database"]
    return next((e for e in own if e.mono_ns >= started.mono_ns), None)


def _uses(trace: Trace, started: Event) -> list[Event]:
    """How phase database came to the proxy."""
    ended = _end(trace, started)
    seen = trace.of("link.opened", "gate.syn_seen", attempt=started.attempt)
    uses = [e for e in seen if e.mono_ns >= started.mono_ns and is_own(trace, e)]
    if ended is None:
        return uses
    uses = [e for e in uses if e.mono_ns <= ended.mono_ns]
    return uses or [e for e in [ended] if was_refused(e, trace.database_address)]


def _share(trace: Trace, completed: Event) -> float | None:
    """How much of its limit a phase took; None where its line does not say."""
    lasted_s, limit_s = took_s(trace, completed), seconds(completed.data, "limit_s")
    return None if lasted_s is None or not limit_s else lasted_s / limit_s

"""Whether the run was a fair try: whole evidence, healthy baseline, right path, fair scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, was_refused
from crashloop.checks.consistency import contradiction, gap
from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

# A scaled run is fair while real work is small beside scaled limits: a quarter at most.
MAX_WORK_OF_LIMIT = 0.25


def evidence_complete(trace: Trace) -> Result:
    """No line is missing, and no two lines contradict each other.

    `seq` counts from 1 without a gap, the run wrote its own end and counted its events, every
    attempt ended once, and what is told twice is told alike.
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
    """Every attempt that reached phase database came to the proxy, and nowhere else, for it."""
    reached = sorted(
        {e.attempt for e in trace.of("phase.started", phase="database") if e.attempt is not None}
    )
    if not reached:
        return saw_nothing("no attempt reached phase database, so the path was never used")
    evidence = []
    for attempt in reached:
        seen = [e for e in trace.of("link.opened", attempt=attempt) if is_own(trace, e)]
        seen += trace.of("gate.syn_seen", attempt=attempt)
        refused = [
            e
            for e in trace.of("phase.failed", "phase.degraded", attempt=attempt, phase="database")
            if was_refused(e, trace.database_address)
        ]
        if not seen and not refused:
            return saw_nothing(f"attempt {attempt} reached phase database but never the proxy")
        evidence.append((seen or refused)[0])
    return holds(f"{len(reached)} attempts came through the proxy", evidence)


def scale_is_fair(trace: Trace) -> Result:
    """Without a fault, no phase takes over a quarter of its scaled limit."""
    done = trace.of("phase.completed")
    if not done:
        return saw_nothing("no phase completed, so the time scale cannot be weighed")
    slowest = max(done, key=lambda e: float(e.data["duration_s"]) / float(e.data["limit_s"]))
    share = float(slowest.data["duration_s"]) / float(slowest.data["limit_s"])
    what = f"phase {slowest.data['phase']} took {share:.0%} of its limit"
    if share > MAX_WORK_OF_LIMIT and trace.scale > 1:
        usable = max(1, math.floor(trace.scale * MAX_WORK_OF_LIMIT / share))
        return refuted(
            f"{what} at time scale {trace.scale:g}, over a quarter: the scale is unfair here; "
            f"the largest usable one is {usable}",
            [slowest],
        )
    return holds(f"{what} at most", [slowest])

"""Whether the run was a fair try: whole evidence, healthy baseline, right path, fair scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

# A scaled run is fair while real work is small beside scaled limits: a quarter at most.
MAX_WORK_OF_LIMIT = 0.25


def evidence_complete(trace: Trace) -> Result:
    """No line is missing: `seq` counts from 1 without a gap, and the run wrote its own end."""
    if trace.torn_line:
        return saw_nothing("the trace's last line is torn: the harness was killed while it wrote")
    numbers = sorted(event.seq for event in trace.events)
    for expected, seen in enumerate(numbers, start=1):
        if seen != expected:
            return saw_nothing(f"the trace has a hole: seq {expected} is missing, {seen} follows")
    finished = trace.first("run.finished")
    if finished is None:
        return saw_nothing("the trace has no end: the run did not finish")
    if finished.seq != len(numbers):
        return saw_nothing("events follow the run's own end", [finished])
    started = {e.attempt for e in trace.of("process.started")}
    ended = {e.attempt for e in trace.of("process.exited")}
    if started != ended:
        return saw_nothing(f"attempts without a recorded end: {sorted(map(str, started - ended))}")
    return holds(f"all {len(numbers)} events are there", [finished])


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
        return saw_nothing("something started before the baseline was taken", [later[0], passed])
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
        seen = trace.of("link.opened", "gate.syn_seen", attempt=attempt)
        address = trace.database_address
        refused = [
            e
            for e in trace.of("phase.failed", attempt=attempt, phase="database")
            if address and e.data.get("database_address") == address
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

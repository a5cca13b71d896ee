"""Checks of whether a run was a fair try: whole evidence, baseline, path, scale."""

import pytest
from crashloop_cases import Case, of
from crashloop_edits import changed, cut, inserted, moved, sealed, tampered, without
from crashloop_traces import HARNESS_PID, REFUSAL, control, pid, reproduction

from crashloop.trace.event import Trace


def torn() -> Trace:
    trace = reproduction()
    return Trace(header=trace.header, events=trace.events, torn_line=True)


def cut_off() -> Trace:
    trace = reproduction()
    start = trace.of("startup.started")[0]
    why = "more than 20000 lines"
    return inserted(trace, start, "app", "app.truncated", attempt=1, why=why)


def swapped() -> Trace:
    """Two lines of the harness with each other's number."""
    trace = reproduction()
    one = next(e for e in trace.events if e.kind == "link.held")
    events = [e for e in trace.events if e is not one]
    return sealed(trace, [*events[:5], one, *events[5:]])


def twice_started() -> Trace:
    trace = reproduction()
    start = next(e for e in trace.events if e.kind == "process.started")
    return inserted(trace, start, "supervisor", "process.started", attempt=1, pid=pid(1))


def renumbered_cut() -> Trace:
    """Lines cut out, the rest renumbered, the end's count left as it was."""
    trace = reproduction()
    wanted = len(trace.events)
    return tampered(without(trace, "link.held", attempt=2), "run.finished", events=wanted)


def never_ended() -> Trace:
    return without(reproduction(), "process.exited", attempt=2)


CASES = [
    *of(
        "evidence_complete",
        Case(
            sentence="a whole run's trace is whole",
            trace=reproduction,
            holds=True,
            says="events are there",
        ),
        Case(
            sentence="a torn last line is named",
            trace=torn,
            holds=None,
            says="last line is torn",
        ),
        Case(
            sentence="a line cut out is named",
            trace=lambda: cut(reproduction(), 30),
            holds=None,
            says="hole where seq 30 should be",
        ),
        Case(
            sentence="lines cut out and renumbered do not fit the end's count",
            trace=renumbered_cut,
            holds=None,
            says="the run wrote",
        ),
        Case(
            sentence="a trace without its end is not whole",
            trace=lambda: without(reproduction(), "run.finished"),
            holds=None,
            says="no end",
        ),
        Case(
            sentence="an attempt whose output was cut off may have said anything",
            trace=cut_off,
            holds=None,
            says="attempt 1's output was cut off: more than 20000 lines",
        ),
        Case(
            sentence="two lines with each other's number are out of order",
            trace=swapped,
            holds=None,
            says="yet has an earlier instant",
        ),
        Case(
            sentence="an attempt that started twice is named",
            trace=twice_started,
            holds=None,
            says="started or ended more than once",
        ),
        Case(
            sentence="an attempt without an end is named",
            trace=never_ended,
            holds=None,
            says="attempt 2 has no recorded end",
        ),
        Case(
            sentence="an end without a start is named",
            trace=lambda: without(reproduction(), "process.started", attempt=2),
            holds=None,
            says="attempt 2 ended and was never started",
        ),
        Case(
            sentence="an exit moved in time does not fit its own run time",
            trace=lambda: moved(reproduction(), "process.exited", 0.0005, attempt=2),
            holds=None,
            says="attempt 2 ran",
        ),
        Case(
            sentence="an exit code written over a signal is named",
            trace=lambda: changed(reproduction(), "process.exited", attempt=1, signal="SIGKILL"),
            holds=None,
            says="attempt 1 ended with both an exit code and a signal",
        ),
        Case(
            sentence="an exit of another process is named",
            trace=lambda: changed(reproduction(), "process.exited", attempt=1, pid=7),
            holds=None,
            says="another pid than it began with",
        ),
        Case(
            sentence="a line of the app from before its life is named",
            trace=lambda: moved(reproduction(), "phase.failed", -5.0, attempt=3),
            holds=None,
            says="outside its attempt's life",
        ),
    ),
    *of(
        "baseline_passed",
        Case(
            sentence="a query through the proxy before everything is a baseline",
            trace=reproduction,
            holds=True,
            says="worked before the first attempt",
        ),
        Case(
            sentence="no baseline, nothing seen",
            trace=lambda: without(reproduction(), "baseline.passed"),
            holds=None,
            says="never shown to work",
        ),
        Case(
            sentence="a baseline that did not go through the proxy is none",
            trace=lambda: changed(reproduction(), "baseline.passed", link=None),
            holds=None,
            says="not seen in the proxy",
        ),
        Case(
            sentence="a baseline after the fault is none",
            trace=lambda: moved(reproduction(), "fault.injected", -0.0025),
            holds=None,
            says="a fault was on before the baseline",
        ),
    ),
    *of(
        "path_used",
        Case(
            sentence="every attempt came through the proxy",
            trace=reproduction,
            holds=True,
            says="4 attempts came through the proxy",
        ),
        Case(
            sentence="a refusal by the proxy's address is a use of the path",
            trace=lambda: changed(
                without(reproduction(), "link.opened", attempt=1),
                "phase.failed",
                attempt=1,
                error=REFUSAL,
            ),
            holds=True,
            says="4 attempts",
        ),
        Case(
            sentence="an attempt that failed without a connection did not use the path",
            trace=lambda: without(reproduction(), "link.opened", attempt=2),
            holds=None,
            says="attempt 2 reached phase database but never the proxy",
        ),
        Case(
            sentence="another session's connection is not the attempt's",
            trace=lambda: changed(
                reproduction(), "link.opened", attempt=2, client_pid=7, client_session=HARNESS_PID
            ),
            holds=None,
            says="attempt 2 reached phase database but never the proxy",
        ),
        Case(
            sentence="a connection of an earlier phase is not the database phase's",
            trace=lambda: moved(reproduction(), "link.opened", -0.1, attempt=2),
            holds=None,
            says="attempt 2 reached phase database but never the proxy in it",
        ),
        Case(
            sentence="nobody stores a message without a connection that reached Postgres",
            trace=lambda: without(reproduction(), "link.connected", attempt=4),
            holds=None,
            says="attempt 4 stored a message, though none of its connections had reached Postgres",
        ),
        Case(
            sentence="a worker's connection is the attempt's",
            trace=lambda: changed(reproduction(), "link.opened", attempt=2, client_pid=7),
            holds=True,
            says="4 attempts",
        ),
        Case(
            sentence="no attempt in phase database, nothing seen",
            trace=lambda: without(reproduction(), "phase.started", phase="database"),
            holds=None,
            says="the path was never used",
        ),
    ),
    *of(
        "scale_is_fair",
        Case(
            sentence="quick phases make the scale fair",
            trace=control,
            holds=True,
            says="of its limit at most",
        ),
        Case(
            sentence="a phase over a quarter of its scaled limit makes it unfair",
            trace=lambda: changed(control(), "phase.completed", phase="database", limit_s=0.06),
            holds=False,
            says="phase database took 50% of its limit at time scale 20, over a quarter: the scale "
            "is unfair here; the largest usable one is 10",
        ),
        Case(
            sentence="in real time a slow phase is just slow",
            trace=lambda: changed(
                control(scale=1.0), "phase.completed", phase="database", limit_s=0.06
            ),
            holds=True,
            says="took 50% of its limit",
        ),
        Case(
            sentence="no phase completed, nothing seen",
            trace=lambda: without(control(), "phase.completed"),
            holds=None,
            says="cannot be weighed",
        ),
        Case(
            sentence="a phase without a limit has no share of it",
            trace=lambda: changed(control(), "phase.completed", limit_s=None),
            holds=None,
            says="cannot be weighed",
        ),
        Case(
            sentence="without a duration the time between the two lines counts",
            trace=lambda: changed(
                control(), "phase.completed", phase="database", limit_s=0.06, duration_s=None
            ),
            holds=False,
            says="phase database took 50% of its limit",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

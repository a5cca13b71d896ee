"""Checks of whether a run was a fair test: complete evidence, baseline, path, scale."""

from dataclasses import replace
from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import (
    changed,
    cut,
    inserted,
    moved,
    one,
    sealed,
    tampered,
    with_scenario,
    without,
)
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import (
    CONTROL,
    FAULT,
    HARNESS_PID,
    REFUSAL,
    REPRODUCTION,
    control,
    pid,
    reproduction,
)

from crashloop.trace.event import Trace


def swapped() -> Trace:
    """Two lines of the harness with each other's number."""
    held = one(REPRODUCTION, "link.held")
    events = [e for e in REPRODUCTION.events if e is not held]
    return sealed(REPRODUCTION, [*events[:5], held, *events[5:]])


def written_late(kind: str) -> Trace:
    """The exhausted slots, with the first event of a kind at the end of the run's lines."""
    late = one(SLOTS, kind)
    *others, finished = [e for e in SLOTS.events if e is not late]
    return sealed(SLOTS, [*others, late, finished])


THREE = reproduction(replicas=3)
TORN = replace(REPRODUCTION, torn_line=True)
CUT_OFF = inserted(
    REPRODUCTION, one(REPRODUCTION, "startup.started"), "app", "app.truncated", attempt=1,
    why="more than 20000 lines",
)  # fmt: skip
TWICE_STARTED = inserted(
    REPRODUCTION, one(REPRODUCTION, "process.started"), "supervisor", "process.started", attempt=1,
    pid=pid(1),
)  # fmt: skip
RENUMBERED_CUT = tampered(
    without(REPRODUCTION, "link.held", attempt=2), "run.finished", events=len(REPRODUCTION.events)
)


def probed(*, period_s: float) -> Trace:
    """The control run under a start-up probe, which passed when start-up was complete."""
    probe = {"delay_s": 0.0, "period_s": period_s, "failures": 3}
    trace = with_scenario(CONTROL, platform={"name": "kubernetes", "startup": probe})
    up = one(trace, "startup.completed")
    return inserted(trace, up, "supervisor", "probe.passed", attempt=1, probe="startup")


def touched(trace: Trace) -> Trace:
    """The same, held by a fault."""
    opened = one(trace, "link.opened", 1)
    link = {"link": opened.data["link"], "fault": FAULT}
    trace = inserted(trace, opened, "proxy", "link.held", attempt=1, target="postgres", **link)
    return with_scenario(trace, faults=REPRODUCTION.scenario["faults"])


def looked_up(**asked: Any) -> Trace:
    """The second attempt only looks the target's name up."""
    trace = without(REPRODUCTION, "link.opened", attempt=2)
    begun = one(trace, "phase.started", 2, "database")
    return inserted(
        trace, begun, "harness", "name.asked", attempt=2, target="postgres", fault=FAULT,
        **{"pid": pid(2), **asked},
    )  # fmt: skip


CASES = [
    *cases(
        "evidence_complete",
        holds={
            "a whole run's trace is whole": (REPRODUCTION, "events are present"),
            "so is that of three replicas and an old revision": (SLOTS, "events are present"),
            "an error of the server's log may be written late": (
                written_late("database.error"),
                "events are present",
            ),
        },
        saw_nothing={
            "a torn last line is named": (TORN, "last line is torn"),
            "a line cut out is named": (cut(REPRODUCTION, 30), "where seq 30 should be"),
            "lines cut out and renumbered do not fit the end's count": (
                RENUMBERED_CUT,
                "the run wrote",
            ),
            "a trace without its end is not whole": (
                without(REPRODUCTION, "run.finished"),
                "no end",
            ),
            "an attempt whose output was cut off may have said anything": (
                CUT_OFF,
                "the output of attempt 1 was cut off: more than 20000 lines",
            ),
            "two lines with each other's number are out of order": (
                swapped(),
                "yet has an earlier instant",
            ),
            "another event of the same writer may not": (
                written_late("revision.overlapping"),
                "yet has an earlier instant",
            ),
            "an attempt that started twice is named": (
                TWICE_STARTED,
                "started or ended more than once",
            ),
            "an attempt without an end is named": (
                without(REPRODUCTION, "process.exited", attempt=2),
                "attempt 2 has no recorded end",
            ),
            "an attempt of one replica without an end is named": (
                without(THREE, "process.exited", attempt=2, replica=3),
                "attempt 2 of replica 3 has no recorded end",
            ),
            "a line of another replica's process is outside its life": (
                moved(THREE, "phase.failed", -60.0, replica=2),
                "outside its attempt's life",
            ),
            "an end without a start is named": (
                without(REPRODUCTION, "process.started", attempt=2),
                "attempt 2 ended and was never started",
            ),
            "an exit moved in time does not fit its own run time": (
                moved(REPRODUCTION, "process.exited", 0.0005, attempt=2),
                "attempt 2 ran",
            ),
            "an exit code written over a signal is named": (
                changed(REPRODUCTION, "process.exited", attempt=1, signal="SIGKILL"),
                "attempt 1 ended with both an exit code and a signal",
            ),
            "an exit of another process is named": (
                changed(REPRODUCTION, "process.exited", attempt=1, pid=7),
                "another pid than it began with",
            ),
            "a line of the app from before its life is named": (
                moved(REPRODUCTION, "phase.failed", -5.0, attempt=3),
                "outside its attempt's life",
            ),
        },
    ),
    *cases(
        "baseline_passed",
        holds={
            "a query through each proxy before everything is a baseline": (
                REPRODUCTION,
                "a query through the proxy of postgres and redis worked before the first attempt",
            )
        },
        saw_nothing={
            "no baseline, nothing seen": (
                without(REPRODUCTION, "baseline.passed"),
                "the path to postgres was never shown to work",
            ),
            "one dependency without a baseline is named": (
                without(REPRODUCTION, "baseline.passed", target="redis"),
                "the path to redis was never shown to work",
            ),
            "another dependency's connection is none": (
                changed(REPRODUCTION, "baseline.passed", target="redis", link="postgres-1"),
                "not seen in the proxy",
            ),
            "a scenario without a dependency has no path": (
                with_scenario(REPRODUCTION, dependencies=[]),
                "the scenario has no dependency",
            ),
            "a baseline that did not go through the proxy is none": (
                changed(REPRODUCTION, "baseline.passed", link=None),
                "not seen in the proxy",
            ),
            "a baseline after the fault is none": (
                moved(REPRODUCTION, "fault.injected", -0.0065),
                "a fault was on before the baseline",
            ),
        },
    ),
    *cases(
        "baseline_passed",
        params={"target": "postgres"},
        holds={
            "the baseline of another dependency is not asked for": (
                without(REPRODUCTION, "baseline.passed", target="redis"),
                "a query through the proxy of postgres worked",
            )
        },
    ),
    *cases(
        "path_used",
        params={"phase": "database", "target": "postgres"},
        holds={
            "every attempt of every replica came through the proxy": (
                THREE,
                "12 attempts came through the proxy",
            ),
            "who only looks up the name of the target came to its path": (
                looked_up(),
                "the proxy of postgres; 1 attempt asked for postgres by its name",
            ),
            "a refused retry is a use of the path": (
                KILLED,
                "2 attempts were refused at the address of the proxy of postgres, by the app's own",
            ),
            "every attempt came through the proxy": (
                REPRODUCTION,
                "4 attempts came through the proxy of postgres",
            ),
            "a refusal by the proxy's address is a use of the path": (
                changed(
                    without(REPRODUCTION, "link.opened", attempt=1),
                    "phase.failed",
                    attempt=1,
                    error=REFUSAL,
                ),
                "1 attempt was refused at the address of the proxy of postgres, by",
            ),
            "a worker's connection is the attempt's": (
                changed(REPRODUCTION, "link.opened", attempt=2, client_pid=7),
                "4 attempts",
            ),
        },
        saw_nothing={
            "another process's look-up is not the attempt's": (
                looked_up(pid=7),
                "attempt 2 reached phase database but never the proxy",
            ),
            "an attempt that failed without a connection did not use the path": (
                without(REPRODUCTION, "link.opened", attempt=2),
                "attempt 2 reached phase database but never the proxy",
            ),
            "another session's connection is not the attempt's": (
                changed(
                    REPRODUCTION, "link.opened", attempt=2, client_pid=7, client_session=HARNESS_PID
                ),
                "attempt 2 reached phase database but never the proxy",
            ),
            "a connection of an earlier phase is not the database phase's": (
                moved(REPRODUCTION, "link.opened", -0.1, attempt=2),
                "attempt 2 reached phase database but never the proxy of postgres in it",
            ),
            "nothing is stored without a connection that reached the database": (
                without(REPRODUCTION, "link.connected", attempt=4),
                "attempt 4 was sent, though none of its connections had reached postgres",
            ),
            "a connection to another dependency is not one to this": (
                sealed(
                    REPRODUCTION,
                    [
                        replace(e, target="redis") if e.kind == "link.opened" else e
                        for e in REPRODUCTION.events
                    ],
                ),
                "attempt 1 reached phase database but never the proxy of postgres",
            ),
            "one replica's connection is not another's": (
                changed(THREE, "link.opened", replica=2, client_pid=pid(1), client_session=pid(1)),
                "attempt 1 of replica 2 reached phase database but never the proxy",
            ),
            "no attempt in phase database, nothing seen": (
                without(REPRODUCTION, "phase.started", phase="database"),
                "the path was never used",
            ),
        },
    ),
    *cases(
        "scale_is_fair",
        holds={
            "a start takes a small part of what its probe allows": (
                probed(period_s=300.0),
                "of its limit at most",
            ),
            "what a start takes after a fault hit it says nothing of the scale": (
                touched(probed(period_s=18.0)),
                "before phase database began at most",
            ),
            "quick phases make the scale fair": (CONTROL, "of its limit at most"),
            "in real time a slow phase is just slow": (
                changed(control(scale=1.0), "phase.completed", phase="database", limit_s=0.06),
                "took 50% of its limit",
            ),
        },
        refuted={
            "a phase over a quarter of its scaled limit makes it unfair": (
                changed(CONTROL, "phase.completed", phase="database", limit_s=0.06),
                "over a quarter: the scale is unfair here; the largest usable one is 10",
            ),
            "a start over a quarter of what its probe allows makes it unfair": (
                probed(period_s=18.0),
                "of what its start-up probe allows at time scale 20, over a quarter",
            ),
            "what a start takes before a fault hits it may make it unfair": (
                touched(probed(period_s=10.0)),
                "allows before phase database began at time scale 20, over a quarter",
            ),
            "a slow phase of one replica makes it unfair": (
                changed(
                    control(replicas=3),
                    "phase.completed",
                    phase="database",
                    replica=2,
                    limit_s=0.06,
                ),
                "over a quarter: the scale is unfair here; the largest usable one is 10",
            ),
            "without a duration the time between the two lines counts": (
                changed(
                    CONTROL, "phase.completed", phase="database", limit_s=0.06, duration_s=None
                ),
                "phase database took 50% of its limit",
            ),
        },
        saw_nothing={
            "no phase completed, nothing seen": (
                without(CONTROL, "phase.completed"),
                "cannot be judged",
            ),
            "a phase without a limit has no share of it": (
                changed(CONTROL, "phase.completed", limit_s=None),
                "cannot be judged",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

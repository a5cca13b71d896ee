"""Checks of the app's port, its readiness, its recovery, and what was left behind."""

from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, failing_after_the_heal, inserted, moved, one, without
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import CONTROL, REPRODUCTION, control, reproduction

from crashloop.trace.event import Trace

THREE = reproduction(replicas=3)
HEALTHY_THREE = control(replicas=3)
NOT_READY: dict[str, Any] = {"ready": False, "status_code": 503, "answer": {"status": "starting"}}
NOT_FOUND: dict[str, Any] = {"ready": False, "status_code": 404, "answer": {}}

FIRST_OF_APP = inserted(
    without(CONTROL, "ready.answered"), one(CONTROL, "startup.completed"), "app", "ready.answered",
    attempt=1, ready=True, status_code=200,
)  # fmt: skip


_STARTING = changed(CONTROL, "ready.answered", **NOT_READY)
STOPPED = inserted(
    _STARTING, one(_STARTING, "ready.answered"), "harness", "ready.answered", attempt=1,
    ready=False, status_code=None, error="ConnectError",
)  # fmt: skip


def ended_before_the_loop() -> Trace:
    """Replicas 1 and 4 end just before replica 2 dies for the first time."""
    trace = SLOTS
    died = next(e for e in SLOTS.events if e.kind == "process.exited")
    for replica in (1, 4):
        ended = next(e for e in SLOTS.of("process.exited") if e.replica == replica)
        by_s = (died.mono_ns - ended.mono_ns) / 1e9 - 0.001
        trace = moved(trace, "process.exited", by_s, replica=replica)
    return trace


def listening(elsewhere: str) -> Trace:
    """Lives that listened somewhere, as the kernel said before they died."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "harness", "process.listens", attempt=attempt, target="replicas",
            elsewhere=elsewhere,
        )  # fmt: skip
    return trace


def open_early() -> Trace:
    """The port of each attempt that dies is open from phase database on."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(trace, begun, "harness", "port.opened", attempt=attempt, port=1)
    return trace


EARLY = open_early()

CASES = [
    *cases(
        "listened_elsewhere",
        params={"elsewhere": "port"},
        holds={"at another port": (listening("port"), "3 attempts listened at another port")},
        refuted={
            "at another address": (
                listening("address"),
                "attempt 1 listened at another address than it was asked",
            ),
            "where they were asked": (listening(""), "attempt 1 listened where it was asked"),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={"nobody looked": (REPRODUCTION, "nothing says where attempt 1 listened")},
    ),
    *cases(
        "no_port_before_ready",
        holds={"the port stayed shut": (REPRODUCTION, "stayed shut until start-up was complete")},
        refuted={
            "the port opened too early": (
                moved(CONTROL, "port.opened", -0.2),
                "attempt 1 opened its port before start-up was complete",
            ),
            "the port of one replica opened too early": (
                moved(HEALTHY_THREE, "port.opened", -0.2, replica=2),
                "attempt 1 of replica 2 opened its port before start-up was complete",
            ),
            "the port opened and start-up never completed": (
                without(CONTROL, "startup.completed"),
                "attempt 1 opened its port",
            ),
        },
        saw_nothing={
            "an app that logs no start-up does not say when it is complete": (
                without(CONTROL, "startup.started", "startup.completed"),
                "attempt 1 logged nothing of its start-up",
            ),
            "a port that never opened may be another one than the app's": (
                without(REPRODUCTION, "port.opened"),
                "the app's port never opened",
            ),
            "one attempt was not watched": (
                without(REPRODUCTION, "port.watched", attempt=2),
                "not watched in every attempt",
            ),
            "one attempt was watched without a look": (
                changed(REPRODUCTION, "port.watched", attempt=2, probes=0),
                "not watched in every attempt",
            ),
            "one replica was not watched": (
                without(THREE, "port.watched", replica=3),
                "not watched in every attempt",
            ),
        },
    ),
    *cases(
        "port_before_ready",
        holds={
            "each attempt that died had its port open": (
                EARLY,
                "3 attempts opened the port before start-up was complete, and died",
            )
        },
        refuted={
            "the ports stayed shut": (REPRODUCTION, "attempt 1 died before it opened its port"),
            "one port stayed shut": (
                without(EARLY, "port.opened", attempt=2),
                "attempt 2 died before it opened its port",
            ),
            "start-up was complete first": (
                inserted(
                    EARLY, one(EARLY, "startup.started", 1), "app", "startup.completed", attempt=1
                ),
                "attempt 1 opened its port once start-up was complete",
            ),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "one attempt was not watched": (
                without(EARLY, "port.watched", attempt=2),
                "the port of attempt 2 was not watched",
            ),
            "an app that logs no start-up does not say when it is complete": (
                without(EARLY, "startup.started", "startup.completed"),
                "attempt 1 logged nothing of its start-up",
            ),
        },
    ),
    *cases(
        "recovered",
        params={"phase": "database"},
        holds={
            "each replica was ready after the heal": (
                THREE,
                "in each of 3 replicas, attempt 4 answered ready after the heal",
            ),
            "a replica that had been ready all the time need not recover": (
                SLOTS,
                "in replica 1, attempt 1 stayed ready; in replicas 2 and 3, attempt 4 answered",
            ),
            "an app that was killed is ready after the heal": (
                KILLED,
                "attempt 3 answered ready after the heal",
            ),
            "the fourth attempt was ready after the heal": (
                REPRODUCTION,
                "attempt 4 answered ready after the heal",
            ),
        },
        refuted={
            "nothing was ready after the heal": (
                without(REPRODUCTION, "ready.answered"),
                "never ready after the heal",
            ),
            "one replica was not ready after the heal": (
                without(THREE, "ready.answered", replica=2),
                "in replica 2, the app was never ready after the heal",
            ),
            "a replica that was ready before the heal and then not": (
                changed(SLOTS, "process.exited", replica=1, requested=False),
                "in replica 1, the app was never ready after the heal",
            ),
            "ready, but before the heal": (
                moved(REPRODUCTION, "ready.answered", -2.0),
                "attempt 4 was ready before the heal",
            ),
            "ready, and dead later": (
                changed(REPRODUCTION, "process.exited", attempt=4, requested=False),
                "attempt 4, which answered ready, died later",
            ),
            "a failure that began after the heal": (
                failing_after_the_heal(),
                "attempt 4 failed in phase database after the heal",
            ),
            "a kill in the phase that began after the heal": (
                moved(KILLED, "fault.healed", -12.0),
                "failed in phase database after the heal",
            ),
            "an answer that is not ready is not recovered": (
                changed(REPRODUCTION, "ready.answered", **NOT_READY),
                "never ready after the heal",
            ),
        },
        saw_nothing={
            "no heal, nothing to recover from": (
                without(REPRODUCTION, "fault.healed"),
                "no fault was healed",
            ),
            "a ready path that is not there says nothing": (
                changed(REPRODUCTION, "ready.answered", **NOT_FOUND),
                "never ready after the heal, as far as is known: GET /health/ready answered 404",
            ),
        },
    ),
    *cases(
        "ready",
        holds={
            "ready": (CONTROL, "attempt 1 answered ready"),
            "each replica is ready": (
                HEALTHY_THREE,
                "in each of 3 replicas, attempt 1 answered ready",
            ),
        },
        refuted={
            "answered 503": (
                changed(CONTROL, "ready.answered", **NOT_READY),
                "the app was never ready: GET /health/ready answered 503 (starting)",
            ),
            "answered 200 and not as the app does when it is ready": (
                changed(CONTROL, "ready.answered", ready=False, answer={"status": "degraded"}),
                "GET /health/ready answered 200 (degraded)",
            ),
            "answered 200 without what the ready rule asks for": (
                changed(
                    CONTROL, "ready.answered", ready=False, answer={"phases.cache": "complete"}
                ),
                'answered 200, with no phases.database where "complete" is needed',
            ),
            "answered 200 with something else": (
                changed(CONTROL, "ready.answered", ready=False, answer={"phases.database": 1}),
                'answered 200, with phases.database 1 where "complete" is needed',
            ),
            "answered 503, and failed to answer as it was stopped": (
                STOPPED,
                "GET /health/ready answered 503 (starting)",
            ),
            "one replica answered 503": (
                changed(HEALTHY_THREE, "ready.answered", replica=2, **NOT_READY),
                "in replica 2, the app was never ready: GET /health/ready answered 503",
            ),
            "the app itself says that it answered": (
                FIRST_OF_APP,
                "GET /health/ready was never answered",
            ),
            "no answer": (
                changed(
                    CONTROL, "ready.answered", ready=False, status_code=None, error="ReadTimeout"
                ),
                "GET /health/ready failed with ReadTimeout",
            ),
            "a port that never opened": (
                without(CONTROL, "ready.answered"),
                "GET /health/ready was never answered",
            ),
        },
        saw_nothing={
            "no such path": (
                changed(CONTROL, "ready.answered", **NOT_FOUND),
                "the app was never ready, as far as is known: GET /health/ready answered 404",
            ),
            "never asked": (
                without(CONTROL, "ready.answered", "port.watched"),
                "nobody looked at its port",
            ),
        },
    ),
    *cases(
        "a_replica_served",
        holds={
            "the old revision served while two replicas looped": (
                SLOTS,
                "the old revision was ready while replica 2 looped",
            ),
            "another replica served while two looped": (
                without(SLOTS, "ready.answered", replica=4),
                "replica 1 was ready while replica 2 looped",
            ),
        },
        refuted={
            "all replicas looped, and none served meanwhile": (
                THREE,
                "no other replica was ready while replica 1, 2, 3 looped",
            ),
            "the others were ready only after the loop": (
                without(without(SLOTS, "ready.answered", replica=1), "ready.answered", replica=4),
                "no other replica was ready while replica 2, 3 looped",
            ),
            "the other replicas had ended before the loop": (
                ended_before_the_loop(),
                "no other replica was ready",
            ),
            "nobody looped": (HEALTHY_THREE, "no replica died twice"),
        },
        saw_nothing={
            "nobody asked": (
                without(SLOTS, "ready.answered", "port.watched"),
                "nobody asked any replica whether it was ready",
            )
        },
    ),
    *cases(
        "no_connection_left",
        params={"target": "postgres"},
        holds={"nothing left": (REPRODUCTION, "no attempt left a connection")},
        refuted={
            "one left": (
                changed(REPRODUCTION, "database.backends", attempt=2, count=1),
                "attempt 2 left 1 connection in postgres",
            ),
            "two left": (
                changed(REPRODUCTION, "database.backends", attempt=2, count=2),
                "attempt 2 left 2 connections in postgres",
            ),
        },
        saw_nothing={
            "one attempt not counted": (
                without(REPRODUCTION, "database.backends", attempt=2),
                "not counted after every exit",
            ),
            "a count that the app itself logged is none": (
                inserted(
                    without(CONTROL, "database.backends"),
                    one(CONTROL, "startup.completed"),
                    "app",
                    "database.backends",
                    attempt=1,
                    count=0,
                ),
                "not counted after every exit",
            ),
            "a harness that does not see the app's role": (
                changed(REPRODUCTION, "baseline.passed", target="postgres", sessions=0),
                "never shown to see a session of the app's role",
            ),
            "attempts that never reached Postgres had nothing to leave": (
                without(REPRODUCTION, "link.connected", attempt=4),
                "no attempt reached postgres",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

"""Checks of readiness, recovery, the golden path and what was left behind."""

from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, failing_after_the_heal, inserted, moved, one, without
from crashloop_traces import CONTROL, REPRODUCTION

from crashloop.model import PHASES

FAILED_WALK = inserted(
    without(CONTROL, "golden.row"), one(CONTROL, "golden.listed"), "harness", "golden.failed",
    attempt=1, why="no such row",
)  # fmt: skip
DEGRADED = {**dict.fromkeys(PHASES, "complete"), "database": "degraded"}
NOT_FOUND: dict[str, Any] = {"status_code": 404, "status": "", "phases": {}}

CASES = [
    *cases(
        "no_port_before_ready",
        holds={"the port stayed shut": (REPRODUCTION, "stayed shut until start-up was complete")},
        refuted={
            "the port opened too early": (
                moved(CONTROL, "port.opened", -0.2),
                "attempt 1 opened its port before start-up was complete",
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
        },
    ),
    *cases(
        "recovered",
        holds={
            "the fourth attempt was ready after the heal": (
                REPRODUCTION,
                "attempt 4 answered ready after the heal",
            )
        },
        refuted={
            "nothing was ready after the heal": (
                without(REPRODUCTION, "probe.answered"),
                "never ready after the heal",
            ),
            "ready, but before the heal": (
                moved(REPRODUCTION, "probe.answered", -2.0),
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
            "ready without its database is not recovered": (
                changed(REPRODUCTION, "probe.answered", status="degraded", phases=DEGRADED),
                "never ready after the heal",
            ),
        },
        saw_nothing={
            "no heal, nothing to recover from": (
                without(REPRODUCTION, "fault.healed"),
                "no fault was healed",
            ),
            "a ready path that is not there says nothing": (
                changed(REPRODUCTION, "probe.answered", **NOT_FOUND),
                "never ready after the heal, as far as is known: GET /health/ready answered 404",
            ),
        },
    ),
    *cases(
        "ready",
        holds={
            "ready": (CONTROL, "attempt 1 answered"),
            "ready and silent about its database": (
                changed(CONTROL, "probe.answered", phases={}),
                "attempt 1 answered ready",
            ),
            "degraded for another reason than its database": (
                changed(CONTROL, "probe.answered", status="degraded"),
                "attempt 1 answered ready",
            ),
        },
        refuted={
            "answered 503": (
                changed(CONTROL, "probe.answered", status_code=503, status="starting"),
                "the app was never ready: GET /health/ready answered 503 (starting)",
            ),
            "degraded and silent about its database": (
                changed(CONTROL, "probe.answered", status="degraded", phases={}),
                "GET /health/ready answered 200 (degraded)",
            ),
            "no answer": (
                changed(CONTROL, "probe.answered", status_code=None, error="ReadTimeout"),
                "GET /health/ready failed with ReadTimeout",
            ),
            "a port that never opened": (
                without(CONTROL, "probe.answered"),
                "GET /health/ready was never answered",
            ),
        },
        saw_nothing={
            "no such path": (
                changed(CONTROL, "probe.answered", **NOT_FOUND),
                "the app was never ready, as far as is known: GET /health/ready answered 404",
            ),
            "never asked": (
                without(CONTROL, "probe.answered", "port.watched"),
                "nobody looked at its port",
            ),
        },
    ),
    *cases(
        "golden_path",
        holds={"answered, listed and stored": (CONTROL, "is row 1 in Postgres")},
        refuted={
            "a row of another message": (
                changed(CONTROL, "golden.row", key="another"),
                "is not in Postgres",
            ),
            "a row that the app does not list": (
                without(CONTROL, "golden.listed"),
                "is not in Postgres",
            ),
            "no answer": (
                without(CONTROL, "golden.answered", "golden.row"),
                "no chat message was ever answered",
            ),
            "a failure in the visitor's words": (
                FAILED_WALK,
                "the golden path failed: no such row",
            ),
        },
        saw_nothing={
            "no answer, and no ready path either": (
                changed(
                    without(CONTROL, "golden.answered", "golden.row"), "probe.answered", **NOT_FOUND
                ),
                "GET /health/ready answered 404",
            )
        },
    ),
    *cases(
        "no_connection_left",
        holds={"nothing left": (REPRODUCTION, "no attempt left a connection")},
        refuted={
            "one left": (
                changed(REPRODUCTION, "database.backends", attempt=2, count=1),
                "attempt 2 left 1 connection in Postgres",
            ),
            "two left": (
                changed(REPRODUCTION, "database.backends", attempt=2, count=2),
                "attempt 2 left 2 connections in Postgres",
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
                changed(REPRODUCTION, "baseline.passed", sessions=0),
                "never shown to see a session of the app's role",
            ),
            "attempts that never reached Postgres had nothing to leave": (
                without(REPRODUCTION, "link.connected", attempt=4),
                "no attempt reached Postgres",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

"""Checks of readiness, recovery, the golden path and what was left behind."""

from typing import Any

import pytest
from crashloop_cases import Case, of
from crashloop_edits import changed, failing_after_the_heal, inserted, moved, one, without
from crashloop_traces import control, reproduction

from crashloop.model import PHASES
from crashloop.trace.event import Trace


def failed_walk() -> Trace:
    trace = without(control(), "golden.row")
    return inserted(
        trace, one(trace, "golden.listed"), "harness", "golden.failed", attempt=1, why="no such row"
    )


def degraded() -> dict[str, str]:
    return {**dict.fromkeys(PHASES, "complete"), "database": "degraded"}


NOT_FOUND: dict[str, Any] = {"status_code": 404, "status": "", "phases": {}}

CASES = [
    *of(
        "no_port_before_ready",
        Case(
            sentence="the port stayed shut",
            trace=reproduction,
            holds=True,
            says="stayed shut until start-up was complete",
        ),
        Case(
            sentence="the port opened too early",
            trace=lambda: moved(control(), "port.opened", -0.2),
            holds=False,
            says="attempt 1 opened its port before start-up was complete",
        ),
        Case(
            sentence="the port opened and start-up never completed",
            trace=lambda: without(control(), "startup.completed"),
            holds=False,
            says="attempt 1 opened its port",
        ),
        Case(
            sentence="an app that logs no start-up does not say when it is complete",
            trace=lambda: without(control(), "startup.started", "startup.completed"),
            holds=None,
            says="attempt 1 logged nothing of its start-up",
        ),
        Case(
            sentence="a port that never opened may be another one than the app's",
            trace=lambda: without(reproduction(), "port.opened"),
            holds=None,
            says="the app's port never opened",
        ),
        Case(
            sentence="one attempt was not watched",
            trace=lambda: without(reproduction(), "port.watched", attempt=2),
            holds=None,
            says="not watched in every attempt",
        ),
        Case(
            sentence="one attempt was watched without a look",
            trace=lambda: changed(reproduction(), "port.watched", attempt=2, probes=0),
            holds=None,
            says="not watched in every attempt",
        ),
    ),
    *of(
        "recovered",
        Case(
            sentence="the fourth attempt was ready after the heal",
            trace=reproduction,
            holds=True,
            says="attempt 4 answered ready after the heal",
        ),
        Case(
            sentence="nothing was ready after the heal",
            trace=lambda: without(reproduction(), "probe.answered"),
            holds=False,
            says="never ready after the heal",
        ),
        Case(
            sentence="ready, but before the heal",
            trace=lambda: moved(reproduction(), "probe.answered", -2.0),
            holds=False,
            says="never ready after the heal",
        ),
        Case(
            sentence="ready, and dead later",
            trace=lambda: changed(reproduction(), "process.exited", attempt=4, requested=False),
            holds=False,
            says="attempt 4, which answered ready, died later",
        ),
        Case(
            sentence="a failure that began after the heal",
            trace=failing_after_the_heal,
            holds=False,
            says="attempt 4 failed in phase database after the heal",
        ),
        Case(
            sentence="ready without its database is not recovered",
            trace=lambda: changed(
                reproduction(), "probe.answered", status="degraded", phases=degraded()
            ),
            holds=False,
            says="never ready after the heal",
        ),
        Case(
            sentence="no heal, nothing to recover from",
            trace=lambda: without(reproduction(), "fault.healed"),
            holds=None,
            says="no fault was healed",
        ),
        Case(
            sentence="a ready path that is not there says nothing",
            trace=lambda: changed(reproduction(), "probe.answered", **NOT_FOUND),
            holds=None,
            says="the app was never ready after the heal, as far as is known: "
            "GET /health/ready answered 404",
        ),
    ),
    *of(
        "ready",
        Case(sentence="ready", trace=control, holds=True, says="attempt 1 answered"),
        Case(
            sentence="answered 503",
            trace=lambda: changed(control(), "probe.answered", status_code=503, status="starting"),
            holds=False,
            says="the app was never ready: GET /health/ready answered 503 (starting)",
        ),
        Case(
            sentence="degraded and silent about its database",
            trace=lambda: changed(control(), "probe.answered", status="degraded", phases={}),
            holds=False,
            says="GET /health/ready answered 200 (degraded)",
        ),
        Case(
            sentence="ready and silent about its database",
            trace=lambda: changed(control(), "probe.answered", phases={}),
            holds=True,
            says="attempt 1 answered ready",
        ),
        Case(
            sentence="degraded for another reason than its database",
            trace=lambda: changed(control(), "probe.answered", status="degraded"),
            holds=True,
            says="attempt 1 answered ready",
        ),
        Case(
            sentence="no such path",
            trace=lambda: changed(control(), "probe.answered", **NOT_FOUND),
            holds=None,
            says="the app was never ready, as far as is known: GET /health/ready answered 404",
        ),
        Case(
            sentence="no answer",
            trace=lambda: changed(
                control(), "probe.answered", status_code=None, error="ReadTimeout"
            ),
            holds=False,
            says="GET /health/ready failed with ReadTimeout",
        ),
        Case(
            sentence="a port that never opened",
            trace=lambda: without(control(), "probe.answered"),
            holds=False,
            says="GET /health/ready was never answered",
        ),
        Case(
            sentence="never asked",
            trace=lambda: without(control(), "probe.answered", "port.watched"),
            holds=None,
            says="nobody looked at its port",
        ),
    ),
    *of(
        "golden_path",
        Case(
            sentence="answered, listed and stored",
            trace=control,
            holds=True,
            says="is row 1 in Postgres",
        ),
        Case(
            sentence="a row of another message",
            trace=lambda: changed(control(), "golden.row", key="another"),
            holds=False,
            says="is not in Postgres",
        ),
        Case(
            sentence="a row that the app does not list",
            trace=lambda: without(control(), "golden.listed"),
            holds=False,
            says="is not in Postgres",
        ),
        Case(
            sentence="no answer",
            trace=lambda: without(control(), "golden.answered", "golden.row"),
            holds=False,
            says="no chat message was ever answered",
        ),
        Case(
            sentence="no answer, and no ready path either",
            trace=lambda: changed(
                without(control(), "golden.answered", "golden.row"), "probe.answered", **NOT_FOUND
            ),
            holds=None,
            says="GET /health/ready answered 404",
        ),
        Case(
            sentence="a failure in the visitor's words",
            trace=failed_walk,
            holds=False,
            says="the golden path failed: no such row",
        ),
    ),
    *of(
        "no_connection_left",
        Case(
            sentence="nothing left",
            trace=reproduction,
            holds=True,
            says="no attempt left a connection",
        ),
        Case(
            sentence="one left",
            trace=lambda: changed(reproduction(), "database.backends", attempt=2, count=1),
            holds=False,
            says="attempt 2 left 1 connection in Postgres",
        ),
        Case(
            sentence="two left",
            trace=lambda: changed(reproduction(), "database.backends", attempt=2, count=2),
            holds=False,
            says="attempt 2 left 2 connections in Postgres",
        ),
        Case(
            sentence="one attempt not counted",
            trace=lambda: without(reproduction(), "database.backends", attempt=2),
            holds=None,
            says="not counted after every exit",
        ),
        Case(
            sentence="a count that the app itself logged is none",
            trace=lambda: inserted(
                without(control(), "database.backends"),
                one(control(), "startup.completed"),
                "app",
                "database.backends",
                attempt=1,
                count=0,
            ),
            holds=None,
            says="not counted after every exit",
        ),
        Case(
            sentence="a harness that does not see the app's role",
            trace=lambda: changed(reproduction(), "baseline.passed", sessions=0),
            holds=None,
            says="never shown to see a session of the app's role",
        ),
        Case(
            sentence="attempts that never reached Postgres had nothing to leave",
            trace=lambda: without(reproduction(), "link.connected", attempt=4),
            holds=None,
            says="no attempt reached Postgres",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

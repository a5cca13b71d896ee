"""Checks of readiness, recovery, the golden path and what was left behind."""

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, inserted, moved, without
from crashloop_traces import WRONG_PASSWORD, control, reproduction

from crashloop.model import PHASES
from crashloop.trace.event import Trace


def failing_after_the_heal() -> Trace:
    trace = reproduction()
    done = next(
        e
        for e in trace.events
        if e.kind == "phase.completed" and e.attempt == 4 and e.data["phase"] == "database"
    )
    return inserted(
        trace, done, "app", "phase.failed", attempt=4, **{**done.data, "error": WRONG_PASSWORD}
    )


def failed_walk() -> Trace:
    trace = without(control(), "golden.row")
    listed = next(e for e in trace.events if e.kind == "golden.listed")
    return inserted(trace, listed, "harness", "golden.failed", attempt=1, why="no such row")


def degraded() -> dict[str, str]:
    return {**dict.fromkeys(PHASES, "complete"), "database": "degraded"}


CASES = [
    Case(
        sentence="the port stayed shut",
        check="no_port_before_ready",
        trace=reproduction,
        holds=True,
        says="stayed shut until start-up was complete",
    ),
    Case(
        sentence="the port opened too early",
        check="no_port_before_ready",
        trace=lambda: moved(control(), "port.opened", -0.2),
        holds=False,
        says="attempt 1 opened its port before start-up was complete",
    ),
    Case(
        sentence="the port opened and start-up never completed",
        check="no_port_before_ready",
        trace=lambda: without(control(), "startup.completed"),
        holds=False,
        says="attempt 1 opened its port",
    ),
    Case(
        sentence="one attempt was not watched",
        check="no_port_before_ready",
        trace=lambda: without(reproduction(), "port.watched", attempt=2),
        holds=None,
        says="not watched in every attempt",
    ),
    Case(
        sentence="one attempt was watched without a look",
        check="no_port_before_ready",
        trace=lambda: changed(reproduction(), "port.watched", attempt=2, probes=0),
        holds=None,
        says="not watched in every attempt",
    ),
    Case(
        sentence="the fourth attempt was ready after the heal",
        check="recovered",
        trace=reproduction,
        holds=True,
        says="attempt 4 answered ready after the heal",
    ),
    Case(
        sentence="nothing was ready after the heal",
        check="recovered",
        trace=lambda: without(reproduction(), "probe.answered"),
        holds=False,
        says="never ready after the heal",
    ),
    Case(
        sentence="ready, but before the heal",
        check="recovered",
        trace=lambda: moved(reproduction(), "probe.answered", -2.0),
        holds=False,
        says="never ready after the heal",
    ),
    Case(
        sentence="ready, and dead later",
        check="recovered",
        trace=lambda: changed(reproduction(), "process.exited", attempt=4, requested=False),
        holds=False,
        says="attempt 4, which answered ready, died later",
    ),
    Case(
        sentence="a failure that began after the heal",
        check="recovered",
        trace=failing_after_the_heal,
        holds=False,
        says="attempt 4 failed in phase database after the heal",
    ),
    Case(
        sentence="ready without its database is not recovered",
        check="recovered",
        trace=lambda: changed(
            reproduction(), "probe.answered", status="degraded", phases=degraded()
        ),
        holds=False,
        says="never ready after the heal",
    ),
    Case(
        sentence="no heal, nothing to recover from",
        check="recovered",
        trace=lambda: without(reproduction(), "fault.healed"),
        holds=None,
        says="no fault was healed",
    ),
    Case(sentence="ready", check="ready", trace=control, holds=True, says="attempt 1 answered"),
    Case(
        sentence="answered 503",
        check="ready",
        trace=lambda: changed(control(), "probe.answered", status_code=503, status="starting"),
        holds=False,
        says="never ready",
    ),
    Case(
        sentence="never asked",
        check="ready",
        trace=lambda: without(control(), "probe.answered"),
        holds=False,
        says="never ready",
    ),
    Case(
        sentence="answered, listed and stored",
        check="golden_path",
        trace=control,
        holds=True,
        says="is row 1 in Postgres",
    ),
    Case(
        sentence="a row of another message",
        check="golden_path",
        trace=lambda: changed(control(), "golden.row", key="another"),
        holds=False,
        says="is not in Postgres",
    ),
    Case(
        sentence="a row that the app does not list",
        check="golden_path",
        trace=lambda: without(control(), "golden.listed"),
        holds=False,
        says="is not in Postgres",
    ),
    Case(
        sentence="no answer",
        check="golden_path",
        trace=lambda: without(control(), "golden.answered", "golden.row"),
        holds=False,
        says="no chat message was ever answered",
    ),
    Case(
        sentence="a failure in the visitor's words",
        check="golden_path",
        trace=failed_walk,
        holds=False,
        says="the golden path failed: no such row",
    ),
    Case(
        sentence="nothing left",
        check="no_connection_left",
        trace=reproduction,
        holds=True,
        says="no attempt left a connection",
    ),
    Case(
        sentence="one left",
        check="no_connection_left",
        trace=lambda: changed(reproduction(), "database.backends", attempt=2, count=1),
        holds=False,
        says="attempt 2 left 1 connection in Postgres",
    ),
    Case(
        sentence="two left",
        check="no_connection_left",
        trace=lambda: changed(reproduction(), "database.backends", attempt=2, count=2),
        holds=False,
        says="attempt 2 left 2 connections in Postgres",
    ),
    Case(
        sentence="one attempt not counted",
        check="no_connection_left",
        trace=lambda: without(reproduction(), "database.backends", attempt=2),
        holds=None,
        says="not counted after every exit",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

"""Checks of which phase failed, how, and after how long."""

from typing import Any

import pytest
from crashloop_cases import Case, of
from crashloop_edits import changed, inserted, moved, without
from crashloop_traces import NAME_ERROR, TIME_OUT, WRONG_PASSWORD, control, reproduction

from crashloop.checks.lines import matches
from crashloop.incidents import incident
from crashloop.model import PHASES
from crashloop.trace.event import Trace

FAILED: dict[str, Any] = {
    "phase": "database",
    "times": 3,
    "errors": ("TimeoutError", "08"),
    "at_limit": True,
}
LAST: dict[str, Any] = {"phase": "database", "after": ("init", "dependencies")}


def failures_of_one_attempt() -> Trace:
    """Three failures, all of them logged by attempt 1."""
    trace = without(reproduction(), "phase.failed")
    whole = reproduction()
    failure = next(e for e in whole.events if e.kind == "phase.failed")
    for _ in range(3):
        after = next(e for e in trace.events if e.kind == "startup.failed" and e.attempt == 1)
        trace = inserted(trace, after, "app", "phase.failed", attempt=1, **failure.data)
    return trace


def of_another_class(sqlstate: str) -> Trace:
    error = [{"type": "asyncpg.exceptions.PostgresError", "sqlstate": sqlstate, "errno": None}]
    return changed(reproduction(), "phase.failed", error=error)


def died_in_dependencies() -> Trace:
    trace = without(
        reproduction(), "phase.started", "phase.completed", "phase.failed", phase="database"
    )
    done = next(e for e in trace.events if e.data.get("phase") == "dependencies")
    return inserted(
        trace, done, "app", "phase.failed", attempt=1, phase="dependencies", error=NAME_ERROR
    )


def died_in_cache() -> Trace:
    trace = reproduction()
    failed = next(e for e in trace.events if e.kind == "phase.failed" and e.attempt == 2)
    return inserted(trace, failed, "app", "phase.failed", attempt=2, phase="cache", error=TIME_OUT)


def completed_and_died() -> Trace:
    trace = reproduction()
    failed = next(e for e in trace.events if e.kind == "phase.failed" and e.attempt == 2)
    data = {k: v for k, v in failed.data.items() if k != "error"}
    return inserted(
        without(trace, "phase.failed", attempt=2),
        next(e for e in trace.events if e.kind == "link.held" and e.attempt == 2),
        "app",
        "phase.completed",
        attempt=2,
        **data,
    )


CASES = [
    *of(
        "phase_failed",
        Case(
            sentence="three time-outs at the limit",
            trace=reproduction,
            holds=True,
            says="failed 3 times at its limit of 20 s (after 20.0, 20.0, 20.0 s)",
        ),
        Case(
            sentence="an SQLSTATE of an accepted class",
            trace=lambda: of_another_class("08006"),
            holds=True,
            says="[08006]",
        ),
        Case(
            sentence="an SQLSTATE of another class is another failure",
            trace=lambda: of_another_class("53300"),
            holds=False,
            says="[53300], which is not a time-out",
        ),
        Case(
            sentence="a wrong password in one attempt is another failure",
            trace=lambda: changed(reproduction(), "phase.failed", attempt=3, error=WRONG_PASSWORD),
            holds=False,
            says="attempt 3 failed with InvalidPasswordError [28P01]",
        ),
        Case(
            sentence="a failure without an error that can be read may be any failure",
            trace=lambda: changed(reproduction(), "phase.failed", attempt=1, error="TimeoutError"),
            holds=None,
            says="phase database of attempt 1 failed, but its line names no error",
        ),
        Case(
            sentence="a limit of null may or may not have been reached",
            trace=lambda: changed(reproduction(), "phase.failed", attempt=2, limit_s=None),
            holds=None,
            says="phase database of attempt 2 failed, but its line names no limit",
        ),
        Case(
            sentence="a limit of null does not hide another error",
            trace=lambda: changed(reproduction(), "phase.failed", limit_s=None, error=NAME_ERROR),
            holds=False,
            says="attempt 1 failed with NameError",
        ),
        Case(
            sentence="without a duration the time between the two lines counts",
            trace=lambda: changed(reproduction(), "phase.failed", duration_s=None),
            holds=True,
            says="failed 3 times at its limit of 20 s (after 20.0, 20.0, 20.0 s)",
        ),
        Case(
            sentence="without a duration or a first line nothing says how long it took",
            trace=lambda: changed(
                without(reproduction(), "phase.started"), "phase.failed", duration_s="long"
            ),
            holds=None,
            says="its line does not say after how long",
        ),
        Case(
            sentence="an attempt that died without a word may have failed in the phase",
            trace=lambda: without(
                reproduction(), "phase.started", "phase.completed", "phase.failed", attempt=2
            ),
            holds=None,
            says="attempt 2 logged no phase, so nothing says whether phase database failed",
        ),
        Case(
            sentence="an app that logs no phase says nothing",
            trace=lambda: without(control(), "phase.started", "phase.completed"),
            holds=None,
            says="attempt 1 logged no phase",
        ),
        Case(
            sentence="an early end is not a hang",
            trace=lambda: changed(reproduction(), "phase.failed", attempt=2, duration_s=0.1),
            holds=False,
            says="attempt 2 failed after 100 ms on this clock with TimeoutError",
        ),
        Case(
            sentence="a duration longer than the time between the lines is not believed",
            trace=lambda: moved(reproduction(), "phase.failed", -0.5, attempt=2),
            holds=False,
            says="not at its limit of 20 s",
        ),
        Case(
            sentence="another limit than the scenario's is named",
            trace=lambda: changed(reproduction(), "phase.failed", limit_s=0.25, duration_s=0.25),
            holds=False,
            says="ran under a limit of 5 s, where the scenario sets 20 s",
        ),
        Case(
            sentence="an early end is enough where no hang is asked for",
            trace=lambda: changed(reproduction(), "phase.failed", duration_s=0.1),
            params={**FAILED, "at_limit": False},
            holds=True,
            says="failed 3 times (after 2.0, 2.0, 2.0 s)",
        ),
        Case(
            sentence="one failure too few, and what came instead",
            trace=lambda: reproduction(deaths=2),
            holds=False,
            says="failed twice, not 3 times; in attempt 3 it completed",
        ),
        Case(
            sentence="three failures of one attempt are one",
            trace=failures_of_one_attempt,
            holds=False,
            says="failed once, not 3 times",
        ),
        Case(
            sentence="a phase that completed did not fail",
            trace=control,
            holds=False,
            says="never failed; in attempt 1 it completed after 0.6 s of its 20 s",
        ),
        Case(
            sentence="a phase that hangs did not fail",
            trace=lambda: without(
                reproduction(), "phase.failed", "phase.completed", phase="database"
            ),
            holds=False,
            says="in attempt 1 it began and did not end",
        ),
        Case(
            sentence="a phase that was never reached, and why",
            trace=died_in_dependencies,
            holds=False,
            says="it was never reached: phase dependencies of attempt 1 failed with NameError",
        ),
        **FAILED,
    ),
    *of(
        "last_phase",
        Case(
            sentence="every death was in phase database",
            trace=reproduction,
            holds=True,
            says="every attempt that died was in phase database",
        ),
        Case(
            sentence="a death in another phase",
            trace=died_in_cache,
            holds=False,
            says="attempt 2 died in phase cache (TimeoutError <- CancelledError), not in database",
        ),
        Case(
            sentence="a death after the phase had ended",
            trace=completed_and_died,
            holds=False,
            says="attempt 2 died after phase database had ended",
        ),
        Case(
            sentence="a death with an earlier phase left out",
            trace=lambda: without(
                reproduction(), "phase.completed", attempt=3, phase="dependencies"
            ),
            holds=False,
            says="attempt 3 died in phase database without completing dependencies",
        ),
        Case(
            sentence="a death without a word",
            trace=lambda: without(
                reproduction(), "phase.started", "phase.completed", "phase.failed", attempt=1
            ),
            holds=None,
            says="attempt 1 did not log in which phase it died",
        ),
        Case(
            sentence="no death, no last phase",
            trace=control,
            holds=None,
            says="no attempt died",
        ),
        **LAST,
    ),
    *of(
        "all_phases_done",
        Case(
            sentence="seven phases in order",
            trace=control,
            holds=True,
            says="completed all 7 phases",
        ),
        Case(
            sentence="one of them left out",
            trace=lambda: without(control(), "phase.completed", phase="cache"),
            holds=False,
            says="init, dependencies, database, services, websocket, finalize",
        ),
        Case(
            sentence="an attempt that says nothing",
            trace=lambda: without(control(), "phase.started", "phase.completed"),
            holds=None,
            says="attempt 1 logged no phase",
        ),
        phases=PHASES,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


ERRORS = incident("issue-1278").scenario().signature.expect[0].params["errors"]
DRIVERS = ("sqlalchemy.exc.OperationalError", None)


@pytest.mark.parametrize(
    ("chain", "is_one"),
    [
        ([("TimeoutError", None), ("asyncio.exceptions.CancelledError", None)], True),
        ([("asyncpg.exceptions.CannotConnectNowError", "57P03")], True),
        ([("asyncpg.exceptions.AdminShutdownError", "57P01")], True),
        ([("a.Wrapper", None), ("psycopg.errors.ConnectionException", "08001")], True),
        ([("asyncpg.exceptions.QueryCanceledError", "57014")], False),
        ([DRIVERS, ("psycopg.errors.QueryCanceled", "57014")], False),
        ([DRIVERS, ("psycopg.OperationalError", "28P01")], False),
        ([DRIVERS, ("psycopg.OperationalError", None)], True),
        ([("TimeoutError", None), ("CancelledError", None), ("a.TooMany", "53300")], True),
        ([("NameError", None)], False),
        ([], False),
    ],
)
def test_a_sqlstate_decides_before_the_name_of_what_carries_or_wraps_it(
    chain: list[tuple[str, str | None]], *, is_one: bool
) -> None:
    error = [{"type": name, "sqlstate": code, "errno": None} for name, code in chain]
    assert matches({"error": error}, ERRORS) is is_one


def test_a_sqlstate_is_named_in_full_or_by_its_class() -> None:
    shutdown = {"error": [{"type": "a.B", "sqlstate": "57P01"}]}
    assert matches(shutdown, ("57P01",))
    assert matches(shutdown, ("57",))
    assert not matches(shutdown, ("57P03", "57P", "5"))

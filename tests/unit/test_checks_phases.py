"""Checks of which phase failed, how, and after how long."""

from typing import Any

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, inserted, moved, without
from crashloop_traces import NAME_ERROR, TIME_OUT, WRONG_PASSWORD, control, reproduction

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
    Case(
        sentence="three time-outs at the limit",
        check="phase_failed",
        trace=reproduction,
        params=FAILED,
        holds=True,
        says="failed 3 times at its limit of 20 s (after 20.0, 20.0, 20.0 s)",
    ),
    Case(
        sentence="an SQLSTATE of an accepted class",
        check="phase_failed",
        trace=lambda: of_another_class("08006"),
        params=FAILED,
        holds=True,
        says="[08006]",
    ),
    Case(
        sentence="an SQLSTATE of another class is another failure",
        check="phase_failed",
        trace=lambda: of_another_class("53300"),
        params=FAILED,
        holds=False,
        says="[53300], which is not a time-out",
    ),
    Case(
        sentence="a wrong password in one attempt is another failure",
        check="phase_failed",
        trace=lambda: changed(reproduction(), "phase.failed", attempt=3, error=WRONG_PASSWORD),
        params=FAILED,
        holds=False,
        says="attempt 3 failed with InvalidPasswordError [28P01]",
    ),
    Case(
        sentence="a failure without an error logged is not taken for one",
        check="phase_failed",
        trace=lambda: changed(reproduction(), "phase.failed", attempt=1, error=None),
        params=FAILED,
        holds=False,
        says="failed with no error logged",
    ),
    Case(
        sentence="an early end is not a hang",
        check="phase_failed",
        trace=lambda: changed(reproduction(), "phase.failed", attempt=2, duration_s=0.1),
        params=FAILED,
        holds=False,
        says="attempt 2 failed after 100 ms on this clock with TimeoutError",
    ),
    Case(
        sentence="a duration longer than the time between the lines is not believed",
        check="phase_failed",
        trace=lambda: moved(reproduction(), "phase.failed", -0.5, attempt=2),
        params=FAILED,
        holds=False,
        says="not at its limit of 20 s",
    ),
    Case(
        sentence="another limit than the scenario's is named",
        check="phase_failed",
        trace=lambda: changed(reproduction(), "phase.failed", limit_s=0.25, duration_s=0.25),
        params=FAILED,
        holds=False,
        says="ran under a limit of 5 s, where the scenario sets 20 s",
    ),
    Case(
        sentence="an early end is enough where no hang is asked for",
        check="phase_failed",
        trace=lambda: changed(reproduction(), "phase.failed", duration_s=0.1),
        params={**FAILED, "at_limit": False},
        holds=True,
        says="failed 3 times (after 2.0, 2.0, 2.0 s)",
    ),
    Case(
        sentence="one failure too few, and what came instead",
        check="phase_failed",
        trace=lambda: reproduction(deaths=2),
        params=FAILED,
        holds=False,
        says="failed twice, not 3 times; in attempt 3 it completed",
    ),
    Case(
        sentence="three failures of one attempt are one",
        check="phase_failed",
        trace=failures_of_one_attempt,
        params=FAILED,
        holds=False,
        says="failed once, not 3 times",
    ),
    Case(
        sentence="a phase that completed did not fail",
        check="phase_failed",
        trace=control,
        params=FAILED,
        holds=False,
        says="never failed; in attempt 1 it completed after 0.6 s of its 20 s",
    ),
    Case(
        sentence="a phase that hangs did not fail",
        check="phase_failed",
        trace=lambda: without(reproduction(), "phase.failed", "phase.completed", phase="database"),
        params=FAILED,
        holds=False,
        says="in attempt 1 it began and did not end",
    ),
    Case(
        sentence="a phase that was never reached, and why",
        check="phase_failed",
        trace=died_in_dependencies,
        params=FAILED,
        holds=False,
        says="it was never reached: phase dependencies of attempt 1 failed with NameError",
    ),
    Case(
        sentence="every death was in phase database",
        check="last_phase",
        trace=reproduction,
        params=LAST,
        holds=True,
        says="every attempt that died was in phase database",
    ),
    Case(
        sentence="a death in another phase",
        check="last_phase",
        trace=died_in_cache,
        params=LAST,
        holds=False,
        says="attempt 2 died in phase cache (TimeoutError <- CancelledError), not in database",
    ),
    Case(
        sentence="a death after the phase had ended",
        check="last_phase",
        trace=completed_and_died,
        params=LAST,
        holds=False,
        says="attempt 2 died after phase database had ended",
    ),
    Case(
        sentence="a death with an earlier phase left out",
        check="last_phase",
        trace=lambda: without(reproduction(), "phase.completed", attempt=3, phase="dependencies"),
        params=LAST,
        holds=False,
        says="attempt 3 died in phase database without completing dependencies",
    ),
    Case(
        sentence="a death without a word",
        check="last_phase",
        trace=lambda: without(
            reproduction(), "phase.started", "phase.completed", "phase.failed", attempt=1
        ),
        params=LAST,
        holds=None,
        says="attempt 1 died before it logged any phase",
    ),
    Case(
        sentence="no death, no last phase",
        check="last_phase",
        trace=control,
        params=LAST,
        holds=None,
        says="no attempt died",
    ),
    Case(
        sentence="seven phases in order",
        check="all_phases_done",
        trace=control,
        params={"phases": PHASES},
        holds=True,
        says="completed all 7 phases",
    ),
    Case(
        sentence="one of them left out",
        check="all_phases_done",
        trace=lambda: without(control(), "phase.completed", phase="cache"),
        params={"phases": PHASES},
        holds=False,
        says="init, dependencies, database, services, websocket, finalize",
    ),
    Case(
        sentence="none of them",
        check="all_phases_done",
        trace=lambda: without(control(), "phase.completed"),
        params={"phases": PHASES},
        holds=False,
        says="completed the phases none",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

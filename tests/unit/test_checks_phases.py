"""Checks of which phase failed, how, and after how long."""

import errno
from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import (
    changed,
    died_in_dependencies,
    inserted,
    moved,
    one,
    sealed,
    with_a_second_worker,
    with_scenario,
    without,
)
from crashloop_outages import SLOTS, slots_exhausted
from crashloop_traces import (
    CONTROL,
    NAME_ERROR,
    PHASES,
    REPRODUCTION,
    TIME_OUT,
    WRONG_PASSWORD,
    control,
    reproduction,
)

from crashloop.checks import CHECKS
from crashloop.checks.lines import matches
from crashloop.incidents import incident
from crashloop.trace.event import Trace

THREE = reproduction(replicas=3)
FOUR = reproduction(deaths=4)
HEALED_BY_A_SCHEDULE = with_scenario(
    FOUR,
    faults=[
        {**each, "heal": {"first_of": [{"on": "baseline.passed", "through_restarts": True}]}}
        for each in FOUR.scenario["faults"]
    ],
)
FAILED: dict[str, Any] = {
    "phase": "database",
    "times": 3,
    "errors": ("TimeoutError", "08"),
    "at_limit": True,
}


SLOTS_FAILED = {"phase": "database", "times": 3, "errors": ("53300",), "at_limit": False}


def failures_of_one_attempt() -> Trace:
    """Three failures, all of them logged by attempt 1."""
    trace = without(REPRODUCTION, "phase.failed")
    failure = one(REPRODUCTION, "phase.failed").data
    for _ in range(3):
        after = one(trace, "startup.failed", 1)
        trace = inserted(trace, after, "app", "phase.failed", attempt=1, **failure)
    return trace


def of_another_class(sqlstate: str) -> Trace:
    error = [{"type": "asyncpg.exceptions.PostgresError", "sqlstate": sqlstate, "errno": None}]
    return changed(REPRODUCTION, "phase.failed", error=error)


def died_in_cache() -> Trace:
    failed = one(REPRODUCTION, "phase.failed", 2)
    data: dict[str, Any] = {"phase": "cache", "error": TIME_OUT}
    return inserted(REPRODUCTION, failed, "app", "phase.failed", attempt=2, **data)


def completed_and_died() -> Trace:
    trace = without(REPRODUCTION, "phase.failed", attempt=2)
    begun = one(trace, "phase.started", 2, "database")
    return inserted(trace, begun, "app", "phase.completed", attempt=2, **begun.data)


def one_worker_without(phase: str) -> Trace:
    """Two workers, the second of which does not end the phase."""
    trace = with_a_second_worker(CONTROL)
    left_out = trace.of("phase.completed", phase=phase)[-1]
    return sealed(trace, [e for e in trace.events if e is not left_out])


CASES = [
    *cases(
        "phase_failed",
        params=FAILED,
        holds={
            "three time-outs at the limit": (
                REPRODUCTION,
                "failed 3 times at its limit of 20 s, after 20.0 s",
            ),
            "one failure more before a schedule healed the fault": (
                HEALED_BY_A_SCHEDULE,
                "failed 4 times at its limit of 20 s",
            ),
            "an SQLSTATE of an accepted class": (of_another_class("08006"), "[08006]"),
            "two workers that began one after the other": (
                with_a_second_worker(REPRODUCTION, later_s=0.2),
                "failed 3 times at its limit of 20 s, after 20.0 s",
            ),
            "three time-outs of each replica": (
                THREE,
                "in each of 3 replicas, phase database failed 3 times at its limit of 20 s",
            ),
            "without a duration the time between the two lines counts": (
                changed(REPRODUCTION, "phase.failed", duration_s=None),
                "failed 3 times at its limit of 20 s, after 20.0 s",
            ),
        },
        refuted={
            "one failure too many": (FOUR, "phase database failed 4 times, not 3 times"),
            "an SQLSTATE of another class is another failure": (
                of_another_class("53300"),
                "[53300], which is none of the expected errors",
            ),
            "a wrong password in one attempt is another failure": (
                changed(REPRODUCTION, "phase.failed", attempt=3, error=WRONG_PASSWORD),
                "attempt 3 failed with InvalidPasswordError [28P01]",
            ),
            "a limit of null does not hide another error": (
                changed(REPRODUCTION, "phase.failed", limit_s=None, error=NAME_ERROR),
                "attempt 1 failed with NameError",
            ),
            "an early end is not a hang": (
                changed(REPRODUCTION, "phase.failed", attempt=2, duration_s=0.1),
                "attempt 2 failed after 100 ms here with TimeoutError",
            ),
            "a duration longer than the time between the lines is not believed": (
                moved(REPRODUCTION, "phase.failed", -0.5, attempt=2),
                "not at its limit of 20 s",
            ),
            "one failure too few, and what came instead": (
                reproduction(deaths=2),
                "failed twice, not 3 times; in attempt 3 it completed",
            ),
            "one failure too few in one replica": (
                without(THREE, "phase.failed", attempt=3, replica=2),
                "phase database failed twice, not 3 times; in attempt 4 of replica 2 it completed",
            ),
            "another error in one replica": (
                changed(THREE, "phase.failed", attempt=1, replica=3, error=NAME_ERROR),
                "phase database of attempt 1 of replica 3 failed with NameError",
            ),
            "three failures of one attempt are one": (
                failures_of_one_attempt(),
                "failed once, not 3 times",
            ),
            "a phase that completed did not fail": (
                CONTROL,
                "never failed; in attempt 1 it completed after 0.6 s of its 20 s",
            ),
            "a phase that hangs did not fail": (
                without(REPRODUCTION, "phase.failed", "phase.completed", phase="database"),
                "in attempt 1 it began and did not end",
            ),
            "a phase that was never reached, and why": (
                died_in_dependencies(),
                "it was never reached: phase dependencies of attempt 1 failed with NameError",
            ),
        },
        saw_nothing={
            "a failure without an error that can be read may be any failure": (
                changed(REPRODUCTION, "phase.failed", attempt=1, error="TimeoutError"),
                "phase database of attempt 1 failed, but its line names no error",
            ),
            "a limit of null may or may not have been reached": (
                changed(REPRODUCTION, "phase.failed", attempt=2, limit_s=None),
                "phase database of attempt 2 failed, but its line names no limit",
            ),
            "without a duration or a first line nothing says how long it took": (
                changed(without(REPRODUCTION, "phase.started"), "phase.failed", duration_s="long"),
                "its line does not say after how long",
            ),
            "a failure under another limit than the scenario's is not the incident's": (
                changed(REPRODUCTION, "phase.failed", limit_s=0.25, duration_s=0.25),
                "ran under a limit of 5 s, where the scenario sets 20 s",
            ),
            "an app that keeps its own limit survived nothing": (
                changed(CONTROL, "phase.completed", phase="database", limit_s=20.0),
                "ran under a limit of 400 s, where the scenario sets 20 s by APP_",
            ),
            "an attempt that died without a word may have failed in the phase": (
                without(
                    REPRODUCTION, "phase.started", "phase.completed", "phase.failed", attempt=2
                ),
                "attempt 2 logged no phase, so nothing says whether phase database failed",
            ),
            "an app that logs no phase says nothing": (
                without(CONTROL, "phase.started", "phase.completed"),
                "attempt 1 logged no phase",
            ),
        },
    ),
    *cases(
        "phase_failed",
        params=SLOTS_FAILED,
        refuted={
            "a replica in which it never failed": (
                SLOTS,
                "phase database never failed; in attempt 1 of replica 1 it completed",
            )
        },
    ),
    *cases(
        "phase_failed",
        params={**FAILED, "at_limit": False},
        holds={
            "an early end is enough where no hang is asked for": (
                changed(REPRODUCTION, "phase.failed", duration_s=0.1),
                "failed 3 times, after 100 ms here",
            )
        },
    ),
    *cases(
        "phase_failed",
        params={**SLOTS_FAILED, "replicas": "some"},
        holds={
            "some replicas failed so often, and one never": (
                SLOTS,
                "in replica 2, phase database failed 3 times, after 30 ms here, with Too",
            ),
            "some replicas failed more often": (
                slots_exhausted(deaths=4),
                "in replica 2, phase database failed 4 times",
            ),
        },
        refuted={
            "no replica failed so often": (
                slots_exhausted(deaths=2),
                "phase database failed twice, not 3 times",
            ),
            "another error in another replica": (
                changed(SLOTS, "phase.failed", attempt=1, replica=3, error=NAME_ERROR),
                "phase database of attempt 1 of replica 3 failed with NameError",
            ),
        },
    ),
    *cases(
        "last_phase",
        params={"phase": "database"},
        holds={
            "every death of each replica was in phase database": (
                THREE,
                "in each of 3 replicas, every attempt that died was in phase database",
            ),
            "every death was in phase database": (
                REPRODUCTION,
                "every attempt that died was in phase database",
            ),
        },
        refuted={
            "a death in another phase": (
                died_in_cache(),
                "attempt 2 died in phase cache (TimeoutError <- CancelledError), not in database",
            ),
            "a death after the phase had ended": (
                completed_and_died(),
                "attempt 2 died after phase database had ended",
            ),
            "a death with an earlier phase left out": (
                without(REPRODUCTION, "phase.completed", attempt=3, phase="dependencies"),
                "attempt 3 died without completing phase dependencies",
            ),
        },
        saw_nothing={
            "a death without a word": (
                without(
                    REPRODUCTION, "phase.started", "phase.completed", "phase.failed", attempt=1
                ),
                "attempt 1 did not log in which phase it died",
            ),
            "an app that logs nothing of an earlier phase may not have one": (
                without(REPRODUCTION, "phase.started", "phase.completed", phase="dependencies"),
                "attempt 1 logged nothing of phase dependencies",
            ),
            "no death, no last phase": (CONTROL, "no attempt died"),
            "no death in one replica": (SLOTS, "in replica 1, no attempt died"),
        },
    ),
    *cases(
        "last_phase",
        params={"phase": "database", "after": ("init",), "replicas": "some"},
        holds={
            "a replica that never died has no last phase": (
                SLOTS,
                "in replica 2, every attempt that died was in phase database",
            )
        },
        refuted={
            "a death of another replica in another phase": (
                inserted(
                    SLOTS,
                    next(e for e in SLOTS.of("phase.failed") if e.replica == 3),
                    "app",
                    "phase.started",
                    attempt=1,
                    replica=3,
                    phase="cache",
                ),
                "attempt 1 of replica 3 died in phase cache",
            )
        },
    ),
    *cases(
        "all_phases_done",
        params={"phases": PHASES},
        holds={
            "seven phases in order": (CONTROL, "completed all 7 phases"),
            "seven phases in each worker": (
                with_a_second_worker(CONTROL, later_s=0.02),
                "attempt 1 completed all 7 phases in each of 2 workers",
            ),
            "seven phases in each replica": (
                control(replicas=3),
                "in each of 3 replicas, attempt 1 completed all 7 phases",
            ),
        },
        refuted={
            "one of them left out in one replica": (
                without(control(replicas=3), "phase.completed", phase="cache", replica=2),
                "in replica 2, attempt 1 completed the phases init, dependencies, database",
            ),
            "one of them left out by one worker": (
                one_worker_without("cache"),
                "init, dependencies, database, services, websocket, finalize",
            ),
            "one of them left out": (
                without(CONTROL, "phase.completed", phase="cache"),
                "init, dependencies, database, services, websocket, finalize",
            ),
        },
        saw_nothing={
            "an attempt that says nothing": (
                without(CONTROL, "phase.started", "phase.completed"),
                "attempt 1 logged no phase",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


def test_a_limit_may_stand_in_the_entry_itself_or_in_a_knob_of_the_incident() -> None:
    other = {"phase": "dependencies", "times": 1, "errors": ("NameError",), "at_limit": False}
    begun = one(CONTROL, "phase.completed", 1, "dependencies")
    trace = changed(CONTROL, "phase.completed", phase="dependencies", limit_s=1.0)
    result = CHECKS["phase_failed"](trace, **other)
    assert "a limit of 20 s, where the scenario sets" in result.says
    assert result.evidence == (begun.seq,)


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


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        ({"type": "OSError", "errno": errno.EROFS}, True),
        ({"type": "OSError", "errno": errno.ENOSPC}, False),
        ({"type": "OSError", "errno": None}, False),
        ({"type": "a.B", "errno": "EROFS"}, False),
        ({"type": "a.B", "sqlstate": "25006", "errno": errno.EROFS}, False),
    ],
)
def test_an_error_of_the_system_is_named_by_its_errno(
    error: dict[str, object], *, is_one: bool
) -> None:
    assert matches({"error": [error]}, ("EROFS",)) is is_one

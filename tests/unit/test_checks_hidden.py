"""Checks of start-ups that fail inside one life, which the platform does not see."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, one, with_a_second_worker, without
from crashloop_outages import HIDDEN, KILLED
from crashloop_traces import CONTROL, REPRODUCTION

from crashloop.checks.hidden import LIVED_ON_S
from crashloop.trace.event import Trace


def lived_on(*, for_s: float) -> Trace:
    """The server of HIDDEN does not end: the run stops it so long after its workers had failed."""
    trace = without(HIDDEN, "restart.gave_up")
    failed, ended = one(trace, "startup.failed"), one(trace, "process.exited")
    by_s = for_s - (ended.mono_ns - failed.mono_ns) / 1e9
    return moved(changed(trace, "process.exited", requested=True), "process.exited", by_s)


def served_first() -> Trace:
    """A server that had started before it ended with 0."""
    failed = one(HIDDEN, "startup.failed")
    return inserted(HIDDEN, failed, "app", "startup.completed", attempt=1)


def restarted() -> Trace:
    """A platform that starts the server again after its exit with 0."""
    ended = one(HIDDEN, "process.exited")
    return inserted(HIDDEN, ended, "supervisor", "process.started", attempt=2, pid=200)


def as_a_server_says(says: str) -> Trace:
    """What only the server says of the failure, in place of the app."""
    trace = without(HIDDEN, "startup.failed")
    failed = one(trace, "phase.failed")
    return inserted(trace, failed, "app", "log.server", attempt=1, server="uvicorn", says=says)


WORKERS = with_a_second_worker(CONTROL)

CASES = [
    *cases(
        "several_starts",
        params={"starts": 2},
        holds={
            "two workers, each with a boot id of its own": (
                HIDDEN,
                "attempt 1 logged 2 start-ups, each with a boot id of its own",
            ),
            "two workers that serve": (WORKERS, "attempt 1 logged 2 start-ups"),
        },
        refuted={
            "one process in each of several lives": (
                REPRODUCTION,
                "no attempt logged more than 1 start-up",
            ),
            "one that serves": (CONTROL, "no attempt logged more than 1 start-up"),
        },
        saw_nothing={
            "an app that logs no boot id": (
                changed(HIDDEN, "startup.started", boot_id=None),
                "no attempt logged that its start-up began",
            ),
            "an app that logs nothing": (
                without(HIDDEN, "startup.started"),
                "no attempt logged that its start-up began",
            ),
        },
    ),
    *cases(
        "failure_hidden",
        holds={
            "exit 0 after its workers had failed": (
                HIDDEN,
                "attempt 1 ended with exit 0 after its start-up had failed, which the platform",
            ),
            "exit 0 of an app that says nothing, and was never ready": (
                without(HIDDEN, "startup.failed"),
                "attempt 1 ended with exit 0 without having been ready",
            ),
            "a server that lives on although its workers had failed": (
                lived_on(for_s=LIVED_ON_S + 1),
                "the process of attempt 1 lived on for 3.0 s after its start-up had failed",
            ),
            "a server that says so itself": (
                as_a_server_says("startup_failed"),
                "after its start-up had failed",
            ),
        },
        refuted={
            "an exit that every platform takes for a failure": (
                REPRODUCTION,
                "attempt 1 ended with exit 3, which is a failure",
            ),
            "an end by a signal of a fault": (
                inserted(
                    changed(HIDDEN, "process.exited", exit_code=None, signal="SIGKILL"),
                    one(HIDDEN, "phase.failed"),
                    "harness",
                    "process.signalled",
                    attempt=1,
                    signal="SIGKILL",
                ),
                "attempt 1 ended with signal SIGKILL, which is a failure",
            ),
            "an end by the platform's own kill": (KILLED, "attempt 1 was killed by the platform"),
            "a server that had been ready": (served_first(), "attempt 1 had been ready before"),
            "a platform that starts it again": (
                restarted(),
                "the platform started attempt 2 after attempt 1 had ended",
            ),
            "nothing failed": (CONTROL, "no start-up failed"),
        },
        saw_nothing={
            "a server that was stopped as soon as its workers had failed": (
                lived_on(for_s=LIVED_ON_S / 2),
                "attempt 1 was stopped 1.0 s after its start-up failed",
            ),
            "exit 0 of an app that says nothing, and that nobody asked to be ready": (
                without(HIDDEN, "startup.failed", "port.watched"),
                "attempt 1 ended with exit 0, and nobody asked it to be ready",
            ),
            "a kill that was nobody's": (
                changed(HIDDEN, "process.exited", exit_code=None, signal="SIGKILL"),
                "killed by somebody else than the platform",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

"""Checks of an app that gets too little CPU or memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import ended, inserted, moved, one, without
from crashloop_traces import control, reproduction

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

FAST = reproduction()


def started_earlier(by_s: float) -> Trace:
    return moved(FAST, "process.started", -by_s, attempt=1)


def over_the_limit(*attempts: int) -> Trace:
    """A run whose three lives were killed, these because of their memory."""
    trace = FAST
    for attempt in (1, 2, 3):
        trace = ended(trace, attempt, "SIGKILL")
    for attempt in attempts:
        died = one(trace, "process.exited", attempt)
        trace = inserted(trace, died, "harness", "process.memory_exceeded", attempt=attempt)
    return trace


CASES = [
    *cases(
        "first_phase_late",
        params={"at_least_s": 5.0},
        holds={"the first life began late": (started_earlier(6.0), "and computed until then")},
        refuted={
            "it began at once": (FAST, "which is not late"),
            "it began a little late": (started_earlier(3.0), "which is not late"),
        },
        saw_nothing={
            "the app logs no phases": (
                without(FAST, "phase.started"),
                "no attempt was seen to begin a phase",
            )
        },
    ),
    *cases(
        "memory_exceeded",
        params={"exceeded": True},
        holds={
            "each was over its limit": (
                over_the_limit(1, 2, 3),
                "3 attempts had more memory than the limit and died of it",
            )
        },
        refuted={
            "one was killed for another reason": (
                over_the_limit(1, 3),
                "attempt 2, which ended with signal SIGKILL, was not over a memory limit",
            )
        },
        saw_nothing={"nobody died": (control(), "no attempt died on its own")},
    ),
    *cases(
        "memory_exceeded",
        params={"exceeded": False},
        holds={
            "each was killed for another reason": (
                over_the_limit(),
                "3 attempts died, and none was over a memory limit",
            )
        },
        refuted={
            "one was over its limit": (
                over_the_limit(2),
                "attempt 2, which ended with signal SIGKILL, had more memory than its limit",
            )
        },
        saw_nothing={"nobody died": (control(), "no attempt died on its own")},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

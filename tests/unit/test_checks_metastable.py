"""The check that the app stays down after the cause is gone, and what a cause that kills leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, one, without
from crashloop_restarts import HERD, herd
from crashloop_traces import REPRODUCTION

from crashloop.incidents.restart_herd import CRASH, ROUNDS
from crashloop.trace.event import DEADLINE_PASSED

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

DOWN = {"cause": CRASH, "times": ROUNDS, "for_s": 20.0 * ROUNDS}


def ready_again() -> Trace:
    """One replica is ready in its second life, while the table is still shared."""
    done = one(HERD, "phase.failed", 2)
    return inserted(HERD, done, "harness", "ready.answered", attempt=2, ready=True)


def not_ready_at_last() -> Trace:
    """One replica calls itself not ready a moment before the crash."""
    shared = HERD.of("fault.injected")[0]
    return inserted(HERD, shared, "harness", "ready.answered", attempt=1, ready=False)


CASES = [
    *cases(
        "stayed_down",
        params=DOWN,
        holds={
            "each replica died again and again": (
                HERD,
                f"in each of 3 replicas, it was ready when {CRASH} came, and died 5 times in the ",
            ),
            "one round more": (herd(rounds=6), "died 6 times"),
        },
        refuted={
            "one replica was ready again": (
                ready_again(),
                f"attempt 2 of replica 1 was ready again after {CRASH}",
            ),
            "one round less": (herd(rounds=4), "it died 4 times after"),
            "one replica was no longer ready": (
                not_ready_at_last(),
                f"no attempt was ready when {CRASH} came",
            ),
            "one replica had never been ready": (
                without(HERD, "ready.answered", replica=2, attempt=1),
                f"no attempt was ready when {CRASH} came",
            ),
            "a cause that is still there": (
                changed(HERD, "fault.healed", target="replicas", fault="another"),
                f"no fault {CRASH} came and went",
            ),
            "a fault that is the cause itself": (REPRODUCTION, "came and went"),
            "what may keep it down came later": (
                changed(
                    HERD, "fault.injected", target="postgres", begun_ns=HERD.events[-1].mono_ns
                ),
                f"no other fault was on when {CRASH} came",
            ),
        },
        saw_nothing={
            "a run that was too slow": (
                changed(herd(rounds=2), "run.finished", how=DEADLINE_PASSED),
                "it died twice after",
            )
        },
    ),
    *cases(
        "stayed_down",
        params={**DOWN, "for_s": 1000.0},
        refuted={"it was soon over": (HERD, "after that, not for 1000 s")},
    ),
    *cases(
        "no_death",
        params={"but_signalled": True},
        holds={
            "a signal of a fault ended all that died": (herd(rounds=0), "no attempt died"),
        },
        refuted={
            "another one died": (HERD, "attempt 2 of replica 1 ended with exit 3"),
            "a signal that is not known to have come": (
                without(herd(rounds=0), "process.took_signal", replica=1),
                "attempt 1 of replica 1 ended with signal SIGKILL",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

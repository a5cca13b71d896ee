"""The check that a rollout cannot go on, as the new instance needs what the old one has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, one, without
from crashloop_outages import SLOTS
from crashloop_restarts import OLD, STUCK, stuck_rollout
from crashloop_traces import CONTROL

from crashloop.trace.event import DEADLINE_PASSED

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

NEVER_READY = without(STUCK, "ready.answered", replica=1)


def ready_beside_the_old_one() -> Trace:
    """A new instance is ready before the old one has ended."""
    failed = one(STUCK, "phase.failed", 1)
    return inserted(STUCK, failed, "harness", "ready.answered", attempt=1, ready=True)


CASES = cases(
    "rollout_stuck",
    holds={
        "the old instance served until it was ended": (
            STUCK,
            "the old revision was ready while 3 attempts died, and attempt 4 of replica 1",
        )
    },
    refuted={
        "a new instance was ready beside the old one": (
            ready_beside_the_old_one(),
            "attempt 1 of replica 1 was ready beside the old revision",
        ),
        "some of several were": (SLOTS, "attempt 1 of replica 1 was ready beside"),
        "none was when the old one had ended": (
            NEVER_READY,
            "no attempt was ready after the old revision",
        ),
        "nobody died beside it": (
            stuck_rollout(deaths=0),
            "no attempt died while the old revision was ready",
        ),
        "an old revision that was never ready": (
            without(STUCK, "ready.answered", replica=OLD),
            "no old revision was ready beside the new one",
        ),
        "no old revision": (CONTROL, "no old revision was ready"),
    },
    saw_nothing={
        "a run that was too slow": (
            changed(NEVER_READY, "run.finished", how=DEADLINE_PASSED),
            "no attempt was ready after the old revision",
        )
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

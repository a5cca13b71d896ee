"""Checks of lives in which a server runs the app in several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, without
from crashloop_outages import SLOTS
from crashloop_restarts import WORKERS
from crashloop_traces import CONTROL, REPRODUCTION

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


SEVERAL = {"target": "postgres", "processes": 2}


def another_begins_late() -> Trace:
    """A third worker begins its phase after the second was refused, before that says so."""
    said = next(e for e in WORKERS.events if e.kind == "database.error")
    boot_id = "3" * 32
    return inserted(
        WORKERS, said, "app", "phase.started", attempt=1, phase="database", boot_id=boot_id
    )


CASES = [
    *cases(
        "came_from_several",
        params=SEVERAL,
        holds={
            "two workers came": (WORKERS, "2 attempts came to postgres from 2 processes or more")
        },
        refuted={
            "each life is one process": (
                SLOTS,
                "attempt 1 of replica 2 came to postgres from 1 process, not 2",
            ),
            "a life that never came": (
                without(WORKERS, "link.opened", attempt=2),
                "attempt 2 was never seen to come to postgres",
            ),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "a proxy that does not know the process": (
                changed(REPRODUCTION, "link.opened", client_pid=None, client_session=None),
                "nothing says from which process attempt 1 came to postgres",
            )
        },
    ),
    *cases(
        "server_said",
        params={"target": "postgres", "phase": "database", "errors": ("53300",)},
        holds={
            "the phase of the worker that failed is the one that counts": (
                another_begins_late(),
                "postgres itself said 53300 to 2 attempts",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

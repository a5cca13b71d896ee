"""The check of whether a target got what the app sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, without
from crashloop_traces import TARGET, control, reproduction

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def sent(first_byte_up_ns: int | None) -> Trace:
    """A run whose three failed attempts sent what came to the target at that instant, or never."""
    trace = reproduction()
    for attempt in (1, 2, 3):
        trace = changed(trace, "link.closed", attempt=attempt, first_byte_up_ns=first_byte_up_ns)
    return trace


HELD = sent(None)
GOT = sent(5)
ASKED = {"target": TARGET, "phase": "database"}
UNDECIDED = {
    "the phase never failed": (control(), "phase database never failed"),
    "no end of a connection was seen": (
        without(HELD, "link.closed", attempt=1),
        "attempt 1 was not seen to close a connection to postgres",
    ),
}
CASES = [
    *cases(
        "request_passed_on",
        params={**ASKED, "passed_on": True},
        holds={"the server got all requests": (GOT, "postgres got what 3 attempts sent to it")},
        refuted={"the path held them": (HELD, "postgres got nothing of what attempt 1 sent to it")},
        saw_nothing=UNDECIDED,
    ),
    *cases(
        "request_passed_on",
        params={**ASKED, "passed_on": False},
        holds={"the path held all": (HELD, "postgres got nothing of what 3 attempts sent to it")},
        refuted={
            "one request came through": (
                changed(HELD, "link.closed", attempt=2, first_byte_up_ns=5),
                "postgres got what attempt 2 sent to it",
            )
        },
        saw_nothing=UNDECIDED,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

"""Whether a path let the app through to a target, and whether that got what the app sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, lacking, moved, one, without
from crashloop_traces import CONTROL, FAULT, REPRODUCTION, TARGET, pid

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

FAILED = (1, 2, 3)
"""The attempts of REPRODUCTION that fail, each with one connection."""


def sent(first_byte_up_ns: int | None) -> Trace:
    """A run whose three failed attempts sent what came to the target at that instant, or never."""
    trace = REPRODUCTION
    for attempt in FAILED:
        trace = changed(trace, "link.closed", attempt=attempt, first_byte_up_ns=first_byte_up_ns)
    return trace


def let_through(after_s: float = 0.0, *attempts: int) -> Trace:
    """A run in which each connection of these attempts, by default of all, goes on after a time."""
    trace = REPRODUCTION
    for attempt in attempts or FAILED:
        opened = one(trace, "link.opened", attempt)
        trace = inserted(
            trace, opened, "proxy", "link.connected", attempt=attempt, target=TARGET,
            link=opened.data["link"],
        )  # fmt: skip
        if after_s:
            trace = moved(trace, "link.connected", after_s, attempt=attempt)
    return trace


def instead(kind: str, **data: Any) -> Trace:
    """The attempts that failed have such an event of their own in place of a connection."""
    trace = REPRODUCTION
    for attempt in FAILED:
        trace = without(
            trace, "link.opened", "link.held", "link.released", "link.closed", attempt=attempt
        )
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "proxy", kind, attempt=attempt, target=TARGET, fault=FAULT,
            session=pid(attempt), **data,
        )  # fmt: skip
    return trace


def after_another(at_s: float) -> Trace:
    """Each attempt's connection goes on after a time, and then it waits for another one."""
    trace = let_through(at_s)
    for attempt in FAILED:
        connected = one(trace, "link.connected", attempt)
        trace = inserted(
            trace, connected, "proxy", "link.opened", attempt=attempt, target=TARGET,
            link=f"second-{attempt}", client_pid=pid(attempt),
        )  # fmt: skip
    return trace


HELD, GOT = sent(None), sent(5)
BY_TOXIPROXY = lacking(REPRODUCTION, "link.closed", "first_byte_up_ns", "first_byte_down_ns")
"""Only the app's side of each connection was seen."""

ASKED = {"target": TARGET, "phase": "database"}
UNDECIDED = {
    "the phase never failed": (CONTROL, "phase database never failed"),
    "no end of a connection was seen": (
        without(HELD, "link.closed", attempt=1),
        "attempt 1 was not seen to close a connection to postgres",
    ),
    "only the app's side of a connection was seen": (
        BY_TOXIPROXY,
        "nothing says whether postgres got what attempt 1 sent",
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
    *cases(
        "not_let_through",
        params=ASKED,
        holds={
            "the path held all connections": (
                REPRODUCTION,
                "the path to postgres did not let 3 attempts through",
            ),
            "the kernel dropped all SYNs": (
                instead("gate.syn_seen"),
                "the path to postgres did not let 3 attempts through",
            ),
            "one connection waited after the other": (
                after_another(0.4),
                "the path to postgres did not let 3 attempts through",
            ),
            "the last one went on just before the limit": (
                let_through(0.97),
                "the path to postgres did not let 3 attempts through",
            ),
        },
        refuted={
            "the server took all connections, and did not answer": (
                let_through(),
                "attempt 1 waited 0.0 s of 20.0 s until the path to postgres let it through",
            ),
            "one attempt got through": (
                let_through(0.1, 2),
                "attempt 2 waited 2.0 s of 20.0 s until the path to postgres let it through",
            ),
            "connections were turned away": (
                moved(REPRODUCTION, "link.closed", -0.99),
                "attempt 1 waited",
            ),
            "nobody answered the look-up of the name": (
                instead("name.asked"),
                "attempt 1 asked for its name and did not come to postgres",
            ),
            "the SYNs went to another address of the name": (
                instead("gate.syn_seen", at="tcp:[::1]:5432"),
                "attempt 1 went elsewhere and did not come to postgres",
            ),
        },
        saw_nothing={
            "the phase never failed": (CONTROL, "phase database never failed"),
            "an attempt without a connection": (
                without(REPRODUCTION, "link.opened", attempt=2),
                "attempt 2 was never seen to come to postgres",
            ),
            "a phase whose beginning nobody logged": (
                without(REPRODUCTION, "phase.started", attempt=3, phase="database"),
                "nothing says when its phase database of attempt 3 began",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

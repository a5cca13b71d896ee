"""Check what the connections of lives came to, in a phase and before it, or that none came."""

from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, lacking, one, without
from crashloop_traces import CONTROL, FAULT, REFUSAL, REPRODUCTION, TARGET, pid

from crashloop.trace.event import Trace

OF_HELD = {1, 2, 3}
"""The attempts of REPRODUCTION that fail, each with one connection."""


def of_each(trace: Trace, kind: str, **data: Any) -> Trace:
    """The trace with this data in an event of each attempt that failed."""
    for attempt in OF_HELD:
        trace = changed(trace, kind, attempt=attempt, **data)
    return trace


def answered() -> Trace:
    """The target answers each attempt, which closes the connection at its limit."""
    return of_each(REPRODUCTION, "link.closed", first_byte_down_ns=1, received_down=24)


def after_opened(kind: str, **data: Any) -> Trace:
    """Each connection of an attempt that failed has such an event in place of a hold."""
    trace = without(REPRODUCTION, "link.held", "link.released")
    for attempt in OF_HELD:
        opened = one(trace, "link.opened", attempt)
        trace = inserted(
            trace, opened, "proxy", kind, attempt=attempt, target=TARGET,
            link=opened.data["link"], fault=FAULT, **data,
        )  # fmt: skip
    return trace


def unanswered(**data: Any) -> Trace:
    """The kernel drops the SYNs of each attempt."""
    return instead(("proxy", "gate.syn_seen", data))


def looked_up(*answer: dict[str, Any]) -> Trace:
    """Each attempt looks the target's name up, and may be answered."""
    events = (("harness", "name.answered", each) for each in answer)
    return instead(("harness", "name.asked", {}), *events)


def instead(*events: tuple[str, str, dict[str, Any]]) -> Trace:
    """The attempts that failed have these events of their own; no attempt has a connection."""
    trace = REPRODUCTION
    of_links = ("link.opened", "link.connected", "link.held", "link.released", "link.closed")
    for attempt in (*OF_HELD, 4):
        trace = without(trace, *of_links, attempt=attempt)
    for attempt in OF_HELD:
        last = one(trace, "phase.started", attempt, "database")
        for source, kind, data in events:
            trace = inserted(
                trace, last, source, kind, attempt=attempt, target=TARGET, fault=FAULT,
                session=pid(attempt), **data,
            )  # fmt: skip
            last = one(trace, kind, attempt)
    return trace


TRACES = {
    "unheard": looked_up(),
    "unknown": looked_up({"addresses": []}),
    "elsewhere": looked_up({"addresses": ["127.0.0.2"]}),
    "unanswered": unanswered(),
    "turned_away": after_opened("link.turned_away"),
    "silent": of_each(REPRODUCTION, "link.closed", received_down=0),
    "swallowed": after_opened("link.dropped", direction="downstream", bytes=24),
    "reset": of_each(REPRODUCTION, "link.closed", by="proxy", reset=True, received_down=24),
    "cut": of_each(answered(), "link.closed", by="proxy", reset=False),
    "answered": answered(),
}
SAYS = {
    "unheard": "nobody answered its look-up",
    "unknown": "told that the name has no address",
    "elsewhere": "led it to another address",
    "unanswered": "dropped its SYN",
    "turned_away": "closed at once",
    "silent": "no byte came back",
    "swallowed": "the path dropped all that the server answered",
    "reset": "reset its connection",
    "cut": "then closed by the path",
    "answered": "was answered",
}


def test_a_syn_at_another_address_of_the_name_is_none_at_the_target() -> None:
    trace = unanswered(at="tcp:[::1]:5432")
    params = {"target": TARGET, "phase": "database", "way": "elsewhere"}
    (case,) = cases("connection_was", params=params, holds={"": (trace, SAYS["elsewhere"])})
    case.run()


@pytest.mark.parametrize("seen", TRACES)
@pytest.mark.parametrize("way", TRACES)
def test_a_connection_came_to_one_way_only(way: str, seen: str) -> None:
    params = {"target": TARGET, "phase": "database", "way": way}
    table = {f"it was {seen}": (TRACES[seen], SAYS[seen])}
    (case,) = cases(
        "connection_was", params=params, **{"holds" if seen == way else "refuted": table}
    )
    case.run()


def probed(*, by: int = 0, answered: bool = True, connected: bool = False) -> Trace:
    """Each attempt that failed had a connection before the phase, or the process `by` had."""
    trace = REPRODUCTION
    for attempt in OF_HELD:
        done = one(trace, "phase.completed", attempt, "dependencies")
        mine: dict[str, Any] = {"attempt": attempt, "target": TARGET, "link": f"probe-{attempt}"}
        trace = inserted(trace, done, "proxy", "link.opened", **mine, client_pid=by or pid(attempt))
        opened = next(e for e in trace.of("link.opened") if e.data["link"] == mine["link"])
        trace = inserted(
            trace, opened, "proxy", "link.closed", **mine, by="client",
            first_byte_down_ns=opened.mono_ns if answered else None,
        )  # fmt: skip
        if connected:
            trace = inserted(trace, opened, "proxy", "link.connected", **mine)
    return trace


def by_toxiproxy(trace: Trace, **data: Any) -> Trace:
    """The trace in which nobody saw when bytes came; of the attempts that failed there is this."""
    return of_each(lacking(trace, "link.closed", "first_byte_down_ns"), "link.closed", **data)


CASES = [
    *cases(
        "connection_was",
        params={"target": TARGET, "phase": "database", "way": "silent"},
        holds={
            "a server that answers when the client has gone": (
                of_each(REPRODUCTION, "link.closed", received_down=24),
                "no byte came back",
            ),
            "a connection before the phase does not count": (probed(), "no byte came back"),
            "as many bytes came as Toxiproxy counted": (
                by_toxiproxy(after_opened("link.connected"), bytes_down=0),
                "no byte came back",
            ),
        },
        refuted={
            "Toxiproxy counted an answer": (
                by_toxiproxy(after_opened("link.connected"), bytes_down=24),
                "attempt 1: its connection was answered",
            ),
            "one that was answered is the best of two": (
                changed(REPRODUCTION, "link.closed", attempt=2, first_byte_down_ns=1),
                "attempt 2: its connection was answered",
            ),
        },
        saw_nothing={
            "no life failed": (CONTROL, "phase database never failed"),
            "a life without a connection": (
                without(REPRODUCTION, "link.opened", attempt=2),
                "attempt 2 was never seen to come to postgres",
            ),
            "a connection that was passed on, and nobody saw an answer": (
                by_toxiproxy(after_opened("link.connected")),
                "nothing says what came of a connection of attempt 1 to postgres",
            ),
        },
    ),
    *cases(
        "connected_before",
        params={"target": TARGET, "phase": "database"},
        holds={
            "a probe was answered": (
                probed(),
                "3 attempts had an answer from postgres before phase database began",
            )
        },
        refuted={
            "no connection before the phase": (
                REPRODUCTION,
                "attempt 1 had no answer from postgres before its phase database began",
            ),
            "a probe without an answer": (
                probed(answered=False),
                "attempt 1 had no answer from postgres",
            ),
            "another process's connection": (
                probed(by=99),
                "attempt 1 had no answer from postgres",
            ),
            "one attempt without a probe": (
                without(probed(), "link.opened", attempt=2),
                "attempt 2 had no answer from postgres",
            ),
        },
        saw_nothing={
            "no life failed": (CONTROL, "phase database never failed"),
            "nobody saw whether the probe was answered": (
                by_toxiproxy(probed(connected=True)),
                "nothing says whether postgres answered attempt 1 before its phase database began",
            ),
        },
    ),
    *cases(
        "connected_before",
        params={"target": TARGET, "phase": "database", "before": False},
        holds={
            "no connection before the phase": (
                REPRODUCTION,
                "3 attempts had no answer from postgres before phase database began",
            ),
            "a probe without an answer": (probed(answered=False), "3 attempts had no answer"),
        },
        refuted={
            "a probe was answered": (
                probed(),
                "attempt 1 had an answer from postgres before its phase database began",
            )
        },
        saw_nothing={
            "a life that nobody saw": (
                without(REPRODUCTION, "link.opened", attempt=2),
                "attempt 2 was never seen to come to postgres",
            ),
            "no life failed": (CONTROL, "phase database never failed"),
            "nobody saw whether the probe was answered": (
                by_toxiproxy(probed(connected=True)),
                "nothing says whether postgres answered attempt 1",
            ),
        },
    ),
]


def got_through() -> Trace:
    """Three attempts are told that the name has no address, and the fourth one is led to it."""
    begun = one(TRACES["unknown"], "phase.started", 4, "database")
    return inserted(
        TRACES["unknown"], begun, "proxy", "link.opened", attempt=4, target=TARGET, link="x"
    )


CASES += cases(
    "never_came",
    params={"target": TARGET},
    holds={
        "they were told that the name has no address": (
            TRACES["unknown"],
            "4 attempts never came to postgres",
        ),
        "they were led to another address": (
            unanswered(at="tcp:[::1]:5432"),
            "4 attempts never came to postgres",
        ),
    },
    refuted={
        "a connection that was held": (REPRODUCTION, "attempt 1 came to postgres"),
        "one life that got through": (got_through(), "attempt 4 came to postgres"),
        "a SYN that was dropped": (unanswered(), "attempt 1 came to postgres"),
        "a refusal at its address": (
            changed(TRACES["unknown"], "phase.failed", attempt=2, error=REFUSAL),
            "attempt 2 came to postgres",
        ),
    },
    saw_nothing={
        "no life at all": (without(REPRODUCTION, "process.started"), "no attempt was started"),
        "a target to which not even the harness was seen to come": (
            without(TRACES["unknown"], "link.opened"),
            "nobody was seen to come to postgres",
        ),
        "a connection of which nobody knows whose it is": (
            inserted(
                TRACES["unknown"],
                one(TRACES["unknown"], "phase.started", 1, "database"),
                "proxy",
                "link.opened",
                target=TARGET,
                link="x",
            ),
            "nothing says who came to postgres",
        ),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

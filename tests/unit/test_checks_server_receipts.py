"""Checks of receipts that the server itself, or the system, gives: its word about the target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, one, sealed, with_scenario, without
from crashloop_outages import SLOTS, client_of
from crashloop_traces import HARNESS_PID, NAME_ERROR, NO_SLOT, REPRODUCTION, TARGET

from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

NO_SLOTS = {
    "grade": "server",
    "kinds": ["database.error"],
    "whose": "server",
    "where": {"sqlstate": "53300"},
}
REFUSED = with_scenario(
    SLOTS, faults=[{**SLOTS.scenario["faults"][0], "receipt": NO_SLOTS, "target": TARGET}]
)
NO_SQLSTATE = [{"type": "CannotConnectNowError", "sqlstate": None}]
STARTING_UP = [{"type": "asyncpg.exceptions.CannotConnectNowError", "sqlstate": "57P03"}]


def told(kind: str, *, target: str = TARGET, grade: str = "server", **where: Any) -> Trace:
    """The reproduction, with a server's word in place of held connections."""
    receipt = {"grade": grade, "kinds": [kind], "whose": "server", "where": where}
    fault = {**REPRODUCTION.scenario["faults"][0], "receipt": receipt, "target": target}
    trace = without(REPRODUCTION, "link.held", "link.released")
    for attempt in (1, 2, 3):
        asked_ns = one(trace, "link.opened", attempt).mono_ns + 1000
        trace = changed(trace, "link.closed", attempt=attempt, first_byte_up_ns=asked_ns)
    return with_scenario(trace, faults=[fault])


def stopped(*, where: Any = TARGET, **more: Any) -> Trace:
    """The server's processes are stopped at the injection."""
    trace = told("process.stopped", grade="process", **more)
    injected = one(trace, "fault.injected")
    return inserted(trace, injected, "database", "process.stopped", target=where, pids=[1])


def loading() -> Trace:
    """The server answers every command with an error from the injection on."""
    trace = told("cache.loading")
    for attempt in (1, 2, 3):
        asked_ns = one(trace, "link.opened", attempt).mono_ns + 2000
        trace = changed(trace, "link.closed", attempt=attempt, first_byte_down_ns=asked_ns)
    injected = one(trace, "fault.injected")
    return inserted(trace, injected, "database", "cache.loading", target=TARGET, said="-LOADING")


def seen_by_a_witness() -> Trace:
    """The same, with the connections as Docker's witness sees them: no word of their bytes."""
    trace = loading()
    for attempt in (1, 2, 3):
        closed = one(trace, "link.closed", attempt)
        kept = {k: v for k, v in closed.data.items() if not k.startswith("first_byte")}
        trace = sealed(
            trace, [replace(e, data=kept) if e.seq == closed.seq else e for e in trace.events]
        )
    return trace


def waiting(**more: Any) -> Trace:
    """A session of each failed attempt waits for a lock, as the server says."""
    trace = told("database.lock_waiting")
    for attempt in (1, 2, 3):
        opened = one(trace, "link.opened", attempt)
        data = {"attempt": attempt, "target": TARGET, "blocked_by": 7, **more}
        trace = inserted(trace, opened, "database", "database.lock_waiting", **data)
    return trace


def starting_up() -> Trace:
    """The server answers each attempt with 57P03."""
    trace = changed(told("database.error", sqlstate="57P03"), "phase.failed", error=STARTING_UP)
    for attempt in (1, 2, 3):
        failed = one(trace, "phase.failed", attempt)
        data: dict[str, Any] = {"sqlstate": "57P03", "client": f"127.0.0.1:{attempt}"}
        opened = one(trace, "link.opened", attempt)
        link: dict[str, Any] = {"link": opened.data["link"], "via": data["client"]}
        trace = inserted(trace, failed, "database", "database.error", target=TARGET, **data)
        opened = one(trace, "link.opened", attempt)
        trace = inserted(
            trace, opened, "proxy", "link.connected", attempt=attempt, target=TARGET, **link
        )
    return trace


def of_nobody(trace: Trace) -> Trace:
    """The server's errors without the address of their client, as an engine may see them."""
    return changed(trace, "database.error", client=None)


def of_the_old_revision() -> Trace:
    """Postgres refuses the old revision alone."""
    old = one(REFUSED, "link.connected", 1)
    trace = changed(REFUSED, "link.connected", replica=4, via="127.0.0.1:1")
    assert old.replica == 4
    return changed(trace, "database.error", client="127.0.0.1:1")


def not_counted_again() -> Trace:
    """The old revision's sessions are counted when it is ready, and no more."""
    last = SLOTS.of("revision.overlapping")[-1]
    return sealed(SLOTS, [e for e in SLOTS.events if e is not last])


def counted_last(sessions: dict[str, int], *, healing: bool = False) -> Trace:
    """Other sessions of the old revision at its end; `healing`: its heal has begun by then."""
    last = SLOTS.of("revision.overlapping")[-1]
    trace = sealed(
        SLOTS,
        [
            replace(e, data={**e.data, "sessions": sessions}) if e is last else e
            for e in SLOTS.events
        ],
    )
    return changed(trace, "fault.healed", begun_ns=last.mono_ns - 1000) if healing else trace


def early_connection(*, closes: bool) -> Trace:
    """Attempt 3 has come to the server in an earlier phase, and may have gone again."""
    trace = moved(stopped(), "link.opened", -0.1, attempt=3)
    return moved(trace, "link.closed", -1.1, attempt=3) if closes else trace


def continued(trace: Trace, **more: Any) -> Trace:
    """The server's processes run again at the heal."""
    healed = one(trace, "fault.healed")
    return inserted(trace, healed, "database", "process.continued", target=TARGET, pids=[1], **more)


def answered(at_s: float, **more: Any) -> Trace:
    """The stopped server answers attempt 1 so long after that came."""
    trace = stopped()
    opened = one(trace, "link.opened", 1)
    first_byte_ns = opened.mono_ns + round(at_s * NS_PER_S)
    trace = changed(trace, "link.closed", attempt=1, first_byte_down_ns=first_byte_ns)
    return continued(trace, **more)


CASES = [
    *cases(
        "receipts_not_contradicted",
        holds={
            "a stopped server that answers nobody": (
                continued(stopped()),
                "no receipt is contradicted",
            ),
            "an answer after it continued": (answered(60.0), "no receipt is contradicted"),
            "an answer between its waking and the word of the system": (
                answered(0.5, begun_ns=one(stopped(), "link.opened", 1).mono_ns + NS_PER_S // 4),
                "no receipt is contradicted",
            ),
            "an answer to who came before it was stopped": (
                moved(answered(0.5), "link.opened", -60.0, attempt=1),
                "no receipt is contradicted",
            ),
            "another server answers": (
                inserted(
                    moved(answered(0.5), "process.stopped", 1.4),
                    one(answered(0.5), "fault.injected"),
                    "database",
                    "process.stopped",
                    target="redis",
                    pids=[1],
                ),
                "no receipt is contradicted",
            ),
        },
        saw_nothing={
            "a stopped server that answers": (
                answered(0.5),
                "attempt 1 got an answer from it meanwhile: the receipt is not true",
            ),
            "one that never continues, and answers": (
                without(answered(0.5), "process.continued"),
                "attempt 1 got an answer from it meanwhile",
            ),
        },
    ),
    *cases(
        "faults_have_receipts",
        params={"phase": "database", "target": TARGET},
        holds={
            "an old revision that holds sessions covers all who came to the same server": (
                SLOTS,
                "7 receipts, for 6 failed attempts",
            ),
            "so it does when its heal has begun before it is counted again": (
                counted_last({TARGET: 36}, healing=True),
                "7 receipts, for 6 failed attempts",
            ),
            "an error that Postgres logs for a client is its attempt's": (
                REFUSED,
                "6 receipts, for 6 failed attempts",
            ),
            "an error of an unknown client is of who fails with its SQLSTATE": (
                of_nobody(REFUSED),
                "6 receipts, for 6 failed attempts",
            ),
            "an error that is read after the app has logged it is still its own": (
                starting_up(),
                "3 receipts, for 3 failed attempts",
            ),
            "so it is where the app's own line has no SQLSTATE": (
                changed(starting_up(), "phase.failed", error=NO_SQLSTATE, limit_s=20.0),
                "3 receipts, for 3 failed attempts",
            ),
            "a stopped server covers all who are connected to it": (
                stopped(),
                "3 receipts, for 3 failed attempts",
            ),
            "a server that answers with an error covers all who asked it": (
                loading(),
                "3 receipts, for 3 failed attempts",
            ),
            "where nothing says which bytes went, the connection has to do": (
                seen_by_a_witness(),
                "3 receipts, for 3 failed attempts",
            ),
            "so it does for a connection of an earlier phase that is still open": (
                early_connection(closes=False),
                "3 receipts, for 3 failed attempts",
            ),
            "a waiting session is its attempt's": (waiting(), "3 receipts, for 3 failed attempts"),
        },
        saw_nothing={
            "nothing is stopped": (told("process.stopped", grade="process"), "no process receipt"),
            "an old revision that holds sessions in another server": (
                changed(SLOTS, "revision.overlapping", sessions={"redis": 1, TARGET: 0}),
                "no server receipt",
            ),
            "an old revision that was not counted again": (
                not_counted_again(),
                "no server receipt",
            ),
            "an old revision that held nothing when it was ended": (
                counted_last({TARGET: 0}),
                "no server receipt",
            ),
            "an old revision that holds sessions in another server, to which all came": (
                sealed(
                    changed(SLOTS, "revision.overlapping", sessions={"redis": 36}),
                    [
                        replace(e, target="redis") if e.kind.startswith("link.") else e
                        for e in changed(
                            SLOTS, "revision.overlapping", sessions={"redis": 36}
                        ).events
                    ],
                ),
                "failed in phase database without any receipt",
            ),
            "another server is stopped": (stopped(where="redis"), "no process receipt"),
            "a stop that the app logs": (
                sealed(
                    stopped(),
                    [
                        replace(e, source="app") if e.kind == "process.stopped" else e
                        for e in stopped().events
                    ],
                ),
                "no process receipt",
            ),
            "a stop before the injection": (
                moved(stopped(), "process.stopped", -0.5),
                "no process receipt",
            ),
            "a stop after the heal": (
                moved(stopped(), "process.stopped", 60.0),
                "no process receipt",
            ),
            "an attempt that connected to a stopped server and asked nothing": (
                changed(stopped(), "link.closed", attempt=2, first_byte_up_ns=None),
                "attempt 2 failed in phase database without any receipt",
            ),
            "an attempt that connected to a failing server and asked nothing": (
                changed(loading(), "link.closed", attempt=2, first_byte_up_ns=None),
                "attempt 2 failed in phase database without any receipt",
            ),
            "an attempt that asked a failing server and got no answer": (
                changed(loading(), "link.closed", attempt=2, first_byte_down_ns=None),
                "attempt 2 failed in phase database without any receipt",
            ),
            "an attempt that the server answered only after the heal": (
                changed(
                    loading(),
                    "link.closed",
                    attempt=3,
                    first_byte_down_ns=one(loading(), "fault.healed").mono_ns + NS_PER_S,
                ),
                "attempt 3 failed in phase database without any receipt",
            ),
            "a connection that was closed before the phase": (
                early_connection(closes=True),
                "attempt 3 failed in phase database without any receipt",
            ),
            "an attempt that never came to the stopped server": (
                without(stopped(), "link.opened", attempt=2),
                "attempt 2 failed in phase database without any receipt",
            ),
            "another process came to the stopped server": (
                changed(
                    stopped(), "link.opened", attempt=2, client_pid=7, client_session=HARNESS_PID
                ),
                "attempt 2 failed in phase database without any receipt",
            ),
            "a server that is stopped only late in the phase": (
                moved(stopped(), "process.stopped", 1.37),
                "touched attempt 1 only",
            ),
            "a server that continues early in the phase": (
                moved(stopped(), "fault.healed", -0.8),
                "did not touch attempt 3 for the last",
            ),
            "an error of its connection that comes long after it has failed": (
                moved(
                    changed(starting_up(), "phase.failed", error=NO_SQLSTATE, limit_s=20.0),
                    "database.error",
                    1.1,
                ),
                "failed in phase database without any receipt",
            ),
            "another session waits": (
                without(waiting(), "database.lock_waiting", attempt=2),
                "attempt 2 failed in phase database without any receipt",
            ),
            "an error with another SQLSTATE": (
                changed(REFUSED, "database.error", sqlstate="28P01"),
                "no server receipt",
            ),
            "an error of an unknown client beside another failure": (
                changed(of_nobody(REFUSED), "phase.failed", replica=2, error=NAME_ERROR),
                "attempt 1 of replica 2 failed in phase database without any receipt",
            ),
            "an error of an unknown client at another time": (
                moved(of_nobody(REFUSED), "phase.started", 0.02, phase="database", replica=3),
                "attempt 1 of replica 3 failed in phase database without any receipt",
            ),
            "errors of the old revision alone": (
                of_the_old_revision(),
                "failed in phase database without any receipt",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


def test_an_error_of_the_harness_is_no_receipt_for_who_fails_with_the_same() -> None:
    client = client_of(1, 2)
    own = changed(REFUSED, "link.opened", replica=2, attempt=1, client_pid=7, client_session=7)
    trace = changed(own, "phase.failed", replica=2, attempt=1, error=NO_SLOT)
    assert client in {e.data.get("client") for e in trace.of("database.error")}
    case = cases(
        "faults_have_receipts",
        params={"phase": "database", "target": TARGET},
        saw_nothing={"": (trace, "attempt 1 of replica 2 failed in phase database without any")},
    )
    case[0].run()

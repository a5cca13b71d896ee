"""Checks of whether each fault really touched what it was meant to touch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import (
    changed,
    failing_after_the_heal,
    inserted,
    moved,
    one,
    sealed,
    with_scenario,
    without,
)
from crashloop_outages import KILLED
from crashloop_traces import (
    CONTROL,
    DATABASE,
    FAULT,
    HARNESS_PID,
    REFUSAL,
    REPRODUCTION,
    TARGET,
    pid,
    reproduction,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.judge import judge
from crashloop.model import Verdict
from crashloop.trace.event import Trace

SYN = {"grade": "kernel", "kinds": ["gate.syn_seen"], "whose": "link", "where": {}}
REFUSED = {"grade": "client", "kinds": ["phase.failed"], "whose": "app", "where": {}}
DELAYED = {"grade": "direct", "kinds": ["link.delayed"], "whose": "link", "where": {}}
THREE = reproduction(replicas=3)


def planned(trace: Trace, **fault: Any) -> Trace:
    """The same, with another fault in its plan."""
    return with_scenario(trace, faults=[{**trace.scenario["faults"][0], **fault}])


def black_hole(*, of_session: int) -> Trace:
    """SYN_SENT sockets of a process in place of held connections; session 0 is the attempt's."""
    trace = without(REPRODUCTION, "link.held", "link.released", "link.opened")
    for attempt in (1, 2, 3):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "proxy", "gate.syn_seen", attempt=attempt, target=TARGET, fault=FAULT,
            pid=7, session=of_session or pid(attempt),
        )  # fmt: skip
    return planned(trace, receipt=SYN, kind="black_hole")


def black_hole_that_the_app_got_through() -> Trace:
    """The first attempt connects soon after its SYN was dropped, and hangs for its own reasons."""
    trace = black_hole(of_session=0)
    return inserted(
        trace, one(trace, "gate.syn_seen", 1), "proxy", "link.opened", attempt=1, target=TARGET,
        link="late", listen=DATABASE, client_pid=pid(1), client_session=pid(1),
    )  # fmt: skip


def refusing(*, errno: Any = 111, address: str = DATABASE, checked: str = "refused") -> Trace:
    """Refusals, with the gate proven shut by the harness's own connect()."""
    trace = without(REPRODUCTION, "link.held", "link.released")
    injected = one(trace, "fault.injected")
    trace = inserted(
        trace, injected, "proxy", "gate.checked", target=TARGET, fault=FAULT, observed=checked
    )
    error = [{**REFUSAL[0], "errno": errno}]
    trace = changed(trace, "phase.failed", error=error, address=address)
    return planned(trace, receipt=REFUSED, kind="refuse")


def delayed() -> Trace:
    """Chunks delayed by nearly the whole limit in place of held connections."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        held = one(trace, "link.held", attempt)
        trace = inserted(
            trace, held, "proxy", "link.delayed", attempt=attempt, target=TARGET,
            link=held.data["link"], fault=FAULT, delay_s=0.95,
        )  # fmt: skip
    return planned(moved(without(trace, "link.held"), "link.delayed", 0.96), receipt=DELAYED)


def turned_away() -> Trace:
    """Attempt 1 connects after 0.45 s, is turned away, and fails at half of its limit."""
    trace = moved(REPRODUCTION, "phase.failed", -0.5, attempt=1)
    trace = sealed(trace, [e for e in trace.events if e.attempt in {None, 1, 4}])
    held = one(trace, "link.held", 1)
    trace = inserted(
        trace, held, "proxy", "link.turned_away", attempt=1, target=TARGET, **held.data
    )
    trace = moved(without(trace, "link.held"), "link.turned_away", 0.45)
    return planned(trace, receipt={**DELAYED, "kinds": ["link.turned_away"]})


def each_life() -> Trace:
    """The fault is healed at each death, and injected again."""
    trace = REPRODUCTION
    for attempt in (1, 2):
        died = one(trace, "process.exited", attempt)
        for kind in ("fault.injected", "fault.healed"):
            trace = inserted(trace, died, "harness", kind, target=TARGET, fault=FAULT)
    return trace


def app_logs_receipts() -> Trace:
    """The app logs what the proxy would record."""
    of_app = [replace(e, source="app") if e.kind == "link.held" else e for e in REPRODUCTION.events]
    return sealed(REPRODUCTION, of_app)


def late_retries_left_out(*, tries: int) -> Trace:
    """The first attempt was refused every half second of its five so often, and then no more."""
    left = [
        e
        for e in KILLED.events
        if not (e.kind == "database.retry_failed" and e.attempt == 1 and e.data["tries"] > tries)
    ]
    return sealed(KILLED, left)


HELD = one(REPRODUCTION, "link.held", 2)
LINK = HELD.data["link"]
CONNECTED_WHILE_HELD = inserted(
    REPRODUCTION, HELD, "proxy", "link.connected", attempt=2, target=TARGET, link=LINK
)
HELD_LONGER_BY_ANOTHER_FAULT = inserted(
    CONNECTED_WHILE_HELD, HELD, "proxy", "link.released", attempt=2, target=TARGET, link=LINK,
    fault="another",
)  # fmt: skip
BYTES_WHILE_HELD = changed(
    REPRODUCTION, "link.closed", attempt=2, first_byte_down_ns=HELD.mono_ns + 1000
)


def two_faults(*, late: bool = False) -> Trace:
    """The incident with a second fault, which delays a chunk of each held attempt."""
    trace = REPRODUCTION
    plan = trace.scenario["faults"]
    slow = {**plan[0], "name": "slow", "kind": "latency", "receipt": DELAYED}
    trace = with_scenario(trace, faults=[*plan, slow])
    for kind in ("fault.injected", "fault.healed"):
        trace = inserted(trace, one(trace, kind), "harness", kind, target=TARGET, fault="slow")
    for attempt in (1, 2, 3):
        held = one(trace, "link.held", attempt)
        trace = inserted(
            trace, held, "proxy", "link.delayed", attempt=attempt, target=TARGET,
            link=held.data["link"], fault="slow", delay_s=0.0,
        )  # fmt: skip
    return moved(trace, "link.delayed", 0.9) if late else trace


def of_another(trace: Trace) -> Trace:
    """The fault acts on another dependency, to which the attempts came as well."""
    events = [
        replace(e, target="redis") if e.kind.startswith("link.") and e.attempt in {1, 2, 3} else e
        for e in trace.events
    ]
    return planned(sealed(trace, events), target="redis")


def in_order(trace: Trace, order: Sequence[int]) -> Trace:
    faults = [trace.scenario["faults"][index] for index in order]
    return with_scenario(trace, faults=faults)


OPENED = one(REPRODUCTION, "link.opened", 4)
HELD_AFTER_THE_HEAL = inserted(
    REPRODUCTION, OPENED, "proxy", "link.held", attempt=4, target=TARGET,
    link=OPENED.data["link"], fault=FAULT,
)  # fmt: skip

CASES = [
    *cases(
        "faults_have_receipts",
        params={"phase": "database", "target": TARGET},
        holds={
            "every failed attempt of each replica was held": (
                THREE,
                "9 receipts, for 9 failed attempts",
            ),
            "refused retries touch a phase that runs until its attempt is killed": (
                KILLED,
                "for 2 failed attempts, by the app's own word, while the port was proven shut",
            ),
            "a last retry in the last fifth before the kill is recent enough": (
                late_retries_left_out(tries=9),
                "19 receipts, for 2 failed attempts",
            ),
            "a refusal is the phase's own end, whatever came before it": (
                moved(refusing(), "phase.started", -0.5, phase="database"),
                "3 receipts, for 3 failed attempts",
            ),
            "what a phase did before a fault that ended it early is no wait": (
                turned_away(),
                "1 receipt, for 1 failed attempt",
            ),
            "every failed attempt was held": (REPRODUCTION, "3 receipts"),
            "a chunk that was passed on late was touched when it came": (delayed(), "3 receipts"),
            "a worker behind another server is the app too": (
                changed(REPRODUCTION, "link.opened", attempt=1, client_pid=101),
                "3 receipts",
            ),
            "a fault that comes back for each life has receipts in each period": (
                each_life(),
                "3 receipts, for 3 failed attempts",
            ),
            "over TCP the running attempt is all that is known": (
                changed(REPRODUCTION, "link.opened", client_pid=None, client_session=None),
                "3 receipts",
            ),
            "a failure after the heal needs no receipt": (failing_after_the_heal(), "3 receipts"),
            "SYN_SENT sockets of the app are kernel receipts": (
                black_hole(of_session=0),
                "3 receipts",
            ),
            "the app's own refusals at a proven gate are client receipts": (
                refusing(),
                "3 receipts",
            ),
        },
        saw_nothing={
            "no fault planned, nothing seen": (CONTROL, "no fault was planned"),
            "a plan alone is no receipt": (
                without(REPRODUCTION, "fault.injected"),
                "was never injected",
            ),
            "an injection alone is no receipt": (
                without(REPRODUCTION, "link.held"),
                "no direct receipt",
            ),
            "one attempt's receipt does not cover another": (
                without(REPRODUCTION, "link.held", attempt=2),
                "attempt 2 failed in phase database without any receipt",
            ),
            "one replica's receipt does not cover another": (
                without(THREE, "link.held", attempt=2, replica=3),
                "attempt 2 of replica 3 failed in phase database without any receipt",
            ),
            "a connection of another replica's process is no receipt": (
                changed(THREE, "link.opened", replica=2, client_pid=pid(1), client_session=pid(1)),
                "attempt 1 of replica 2 failed in phase database without any receipt",
            ),
            "over TCP nothing says which of several replicas came": (
                changed(THREE, "link.opened", client_pid=None, client_session=None),
                "no direct receipt",
            ),
            "a receipt that the app itself logs is none": (
                app_logs_receipts(),
                "no direct receipt",
            ),
            "retries that end long before the kill do not explain it": (
                late_retries_left_out(tries=2),
                "did not touch attempt 1 for the last",
            ),
            "nor do retries that end at 60 % of it: the app had given up": (
                late_retries_left_out(tries=6),
                "did not touch attempt 1 for the last",
            ),
            "a fault of another dependency explains no failure of the phase": (
                of_another(REPRODUCTION),
                "attempt 1 failed in phase database without any receipt",
            ),
            "a fault that was left out has no receipt": (
                changed(REPRODUCTION, "fault.injected", plugged=False),
                "was unplugged",
            ),
            "a fault that acts only while it is being healed does not explain it": (
                changed(
                    refusing(),
                    "fault.healed",
                    begun_ns=one(REPRODUCTION, "phase.failed", 3).mono_ns - 1000,
                ),
                "attempt 3 failed in phase database without any receipt",
            ),
            "an attempt that was killed needs a receipt, too": (
                without(KILLED, "database.retry_failed", attempt=2),
                "attempt 2 failed in phase database without any receipt",
            ),
            "another process's connection is no receipt": (
                changed(REPRODUCTION, "link.opened", client_pid=7, client_session=HARNESS_PID),
                "no direct receipt",
            ),
            "a receipt for a link that never opened is none": (
                changed(REPRODUCTION, "link.held", link="db-77"),
                "no direct receipt",
            ),
            "a receipt of another fault is none": (
                changed(REPRODUCTION, "link.held", fault="another"),
                "no direct receipt",
            ),
            "a receipt late in the phase does not explain it": (
                moved(REPRODUCTION, "link.held", 0.9, attempt=3),
                "touched attempt 3 only 0.902 s into the 1.001 s",
            ),
            "a held link that the app left early does not explain it": (
                moved(REPRODUCTION, "link.closed", -0.9, attempt=3),
                "did not touch attempt 3 for the last",
            ),
            "short delays of a link do not explain a long wait": (
                changed(
                    changed(delayed(), "link.delayed", chunk=1),
                    "link.closed",
                    delays=[{"fault": FAULT, "delay_s": 0.1}],
                ),
                "did not touch attempt 1 for the last",
            ),
            "a receipt before the phase is none of it": (
                moved(REPRODUCTION, "link.held", -0.1, attempt=3),
                "attempt 3 failed in phase database without any receipt",
            ),
            "a failure needs one where nothing was healed": (
                without(failing_after_the_heal(), "fault.healed"),
                "attempt 4 failed in phase database without any receipt",
            ),
            "SYN_SENT sockets of another process are not": (
                black_hole(of_session=HARNESS_PID),
                "no kernel receipt",
            ),
            "a dropped SYN explains no wait after the connection that followed": (
                black_hole_that_the_app_got_through(),
                "did not touch attempt 1 for the last",
            ),
            "another errno is not": (refusing(errno=2), "no client receipt"),
            "an errno that is no number is not": (refusing(errno=[111]), "no client receipt"),
            "a refusal at another address is not": (
                refusing(address="tcp:127.0.0.1:5432"),
                "no client receipt",
            ),
            "a refusal at a gate that was not proven shut is not": (
                refusing(checked="accepted"),
                "no client receipt",
            ),
        },
    ),
    *cases(
        "receipts_not_contradicted",
        holds={"nothing contradicts the receipts": (REPRODUCTION, "no receipt is contradicted")},
        saw_nothing={
            "a held connection that is connected contradicts it": (
                CONNECTED_WHILE_HELD,
                "a connection of attempt 2 was held, yet it reached postgres meanwhile",
            ),
            "a release by another fault ends no hold": (
                HELD_LONGER_BY_ANOTHER_FAULT,
                "a connection of attempt 2 was held, yet it reached postgres meanwhile",
            ),
            "bytes through a held connection contradict it": (
                BYTES_WHILE_HELD,
                "yet it reached postgres meanwhile",
            ),
            "a fault that continues after its heal contradicts the heal": (
                HELD_AFTER_THE_HEAL,
                "still held a connection of attempt 4 after its heal",
            ),
            "no receipt, nothing to contradict": (
                without(REPRODUCTION, "link.held"),
                "no receipts to contradict",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_second_fault_that_acts_late_does_not_hide_the_first(order: Sequence[int]) -> None:
    assert judge(in_order(two_faults(late=True), order)).verdict is Verdict.REPRODUCED


LOST = st.lists(
    st.tuples(
        st.sampled_from(["link.held", "link.delayed", "fault.injected", "fault.healed"]),
        st.sampled_from([None, 1, 2, 3]),
    ),
    max_size=3,
)


@settings(max_examples=30, deadline=None)
@given(lost=LOST, late=st.booleans())
def test_no_finding_depends_on_the_order_of_the_faults_in_the_plan(
    lost: list[tuple[str, int | None]], *, late: bool
) -> None:
    trace = two_faults(late=late)
    for kind, attempt in lost:
        trace = without(trace, kind, attempt=attempt)
    assert judge(in_order(trace, (0, 1))).findings == judge(in_order(trace, (1, 0))).findings

"""Checks of whether each fault really touched what it was meant to touch."""

from collections.abc import Sequence
from typing import Any

import pytest
from crashloop_cases import Case, of
from crashloop_edits import (
    changed,
    failing_after_the_heal,
    inserted,
    moved,
    one,
    with_header,
    without,
)
from crashloop_traces import (
    DATABASE,
    FAULT,
    HARNESS_PID,
    REFUSAL,
    TIME_OUT,
    control,
    pid,
    reproduction,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.judge import judge
from crashloop.model import Verdict
from crashloop.trace.event import Trace


def planned(trace: Trace, **fault: Any) -> Trace:
    """The same, with another fault in its plan."""
    scenario = trace.scenario
    faults = [{**scenario["faults"][0], **fault}]
    return with_header(trace, scenario={**scenario, "faults": faults})


def black_hole(*, of_session: int) -> Trace:
    """SYN_SENT sockets of a process in place of held connections; session 0 is the attempt's."""
    trace = without(reproduction(), "link.held", "link.released", "link.opened")
    for attempt in (1, 2, 3):
        begun = next(
            e
            for e in trace.events
            if e.kind == "phase.started" and e.attempt == attempt and e.data["phase"] == "database"
        )
        trace = inserted(
            trace, begun, "proxy", "gate.syn_seen", attempt=attempt, fault=FAULT,
            pid=7, session=of_session or pid(attempt),
        )  # fmt: skip
    return planned(trace, grade="kernel", kind="black_hole")


def refusing(*, errno: int = 111, address: str = DATABASE, checked: str = "refused") -> Trace:
    """Refusals, with the gate proven shut by the harness's own connect()."""
    trace = without(reproduction(), "link.held", "link.released")
    injected = one(trace, "fault.injected")
    trace = inserted(trace, injected, "proxy", "gate.checked", fault=FAULT, observed=checked)
    error = [{**REFUSAL[0], "errno": errno}]
    trace = changed(trace, "phase.failed", error=error, database_address=address)
    return planned(trace, grade="client", kind="refuse")


def delayed() -> Trace:
    """Chunks delayed by nearly the whole limit in place of held connections."""
    trace = reproduction()
    for attempt in (1, 2, 3):
        held = one(trace, "link.held", attempt)
        trace = inserted(
            trace, held, "proxy", "link.delayed", attempt=attempt, link=held.data["link"],
            fault=FAULT, delay_s=0.95,
        )  # fmt: skip
    return moved(without(trace, "link.held"), "link.delayed", 0.96)


def connected_while_held() -> Trace:
    trace = reproduction()
    held = one(trace, "link.held", 2)
    link = held.data["link"]
    return inserted(trace, held, "proxy", "link.connected", attempt=2, link=link)


def bytes_while_held() -> Trace:
    trace = reproduction()
    held = one(trace, "link.held", 2)
    return changed(trace, "link.closed", attempt=2, first_byte_down_ns=held.mono_ns + 1000)


def two_faults(*, late: bool = False) -> Trace:
    """The incident with a second fault, which delays a chunk of each held attempt."""
    trace = reproduction()
    plan = trace.scenario["faults"]
    slow = {**plan[0], "name": "slow", "kind": "latency"}
    trace = with_header(trace, scenario={**trace.scenario, "faults": [*plan, slow]})
    for kind in ("fault.injected", "fault.healed"):
        trace = inserted(trace, one(trace, kind), "harness", kind, fault="slow")
    for attempt in (1, 2, 3):
        held = one(trace, "link.held", attempt)
        trace = inserted(
            trace, held, "proxy", "link.delayed", attempt=attempt, link=held.data["link"],
            fault="slow", delay_s=0.0,
        )  # fmt: skip
    return moved(trace, "link.delayed", 0.9) if late else trace


def in_order(trace: Trace, order: Sequence[int]) -> Trace:
    faults = [trace.scenario["faults"][index] for index in order]
    return with_header(trace, scenario={**trace.scenario, "faults": faults})


def held_longer_by_another_fault() -> Trace:
    """One of two holds is released, and the connection gets through before the other is."""
    trace = connected_while_held()
    held = one(trace, "link.held", 2)
    data = {"link": held.data["link"], "fault": "another"}
    return inserted(trace, held, "proxy", "link.released", attempt=2, **data)


def held_after_the_heal() -> Trace:
    trace = reproduction()
    opened = one(trace, "link.opened", 4)
    link = opened.data["link"]
    return inserted(trace, opened, "proxy", "link.held", attempt=4, link=link, fault=FAULT)


CASES = [
    *of(
        "faults_have_receipts",
        Case(
            sentence="every failed attempt was held",
            trace=reproduction,
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="no fault planned, nothing seen",
            trace=control,
            holds=None,
            says="no fault was planned",
        ),
        Case(
            sentence="a plan alone is no receipt",
            trace=lambda: without(reproduction(), "fault.injected"),
            holds=None,
            says="was never injected",
        ),
        Case(
            sentence="an injection alone is no receipt",
            trace=lambda: without(reproduction(), "link.held"),
            holds=None,
            says="no direct receipt",
        ),
        Case(
            sentence="one attempt's receipt does not cover another",
            trace=lambda: without(reproduction(), "link.held", attempt=2),
            holds=None,
            says="attempt 2 failed in phase database without any receipt",
        ),
        Case(
            sentence="another process's connection is no receipt",
            trace=lambda: changed(
                reproduction(), "link.opened", client_pid=7, client_session=HARNESS_PID
            ),
            holds=None,
            says="no direct receipt",
        ),
        Case(
            sentence="a receipt for a link that never opened is none",
            trace=lambda: changed(reproduction(), "link.held", link="db-77"),
            holds=None,
            says="no direct receipt",
        ),
        Case(
            sentence="a receipt of another fault is none",
            trace=lambda: changed(reproduction(), "link.held", fault="another"),
            holds=None,
            says="no direct receipt",
        ),
        Case(
            sentence="a receipt late in the phase does not explain it",
            trace=lambda: moved(reproduction(), "link.held", 0.9, attempt=3),
            holds=None,
            says="touched attempt 3 only 0.902 s into the 1.001 s",
        ),
        Case(
            sentence="a chunk that went on late was touched when it came",
            trace=delayed,
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="a receipt before the phase is none of it",
            trace=lambda: moved(reproduction(), "link.held", -0.1, attempt=3),
            holds=None,
            says="attempt 3 failed in phase database without any receipt",
        ),
        Case(
            sentence="a worker behind another server is the app too",
            trace=lambda: changed(reproduction(), "link.opened", attempt=1, client_pid=101),
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="over TCP the running attempt is all that is known",
            trace=lambda: changed(
                reproduction(), "link.opened", client_pid=None, client_session=None
            ),
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="a failure after the heal needs no receipt",
            trace=failing_after_the_heal,
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="a failure needs one where nothing was healed",
            trace=lambda: without(failing_after_the_heal(), "fault.healed"),
            holds=None,
            says="attempt 4 failed in phase database without any receipt",
        ),
        Case(
            sentence="SYN_SENT sockets of the app are kernel receipts",
            trace=lambda: black_hole(of_session=0),
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="SYN_SENT sockets of another process are not",
            trace=lambda: black_hole(of_session=HARNESS_PID),
            holds=None,
            says="no kernel receipt",
        ),
        Case(
            sentence="the app's own refusals at a proven gate are client receipts",
            trace=refusing,
            holds=True,
            says="3 receipts",
        ),
        Case(
            sentence="another errno is not",
            trace=lambda: refusing(errno=2),
            holds=None,
            says="no client receipt",
        ),
        Case(
            sentence="a refusal at another address is not",
            trace=lambda: refusing(address="tcp:127.0.0.1:5432"),
            holds=None,
            says="no client receipt",
        ),
        Case(
            sentence="a refusal at a gate that was not proven shut is not",
            trace=lambda: refusing(checked="accepted"),
            holds=None,
            says="no client receipt",
        ),
    ),
    *of(
        "receipts_not_contradicted",
        Case(
            sentence="nothing contradicts the receipts",
            trace=reproduction,
            holds=True,
            says="no receipt is contradicted",
        ),
        Case(
            sentence="a held connection that is connected contradicts it",
            trace=connected_while_held,
            holds=None,
            says="attempt 2's connection was held, yet it reached the database meanwhile",
        ),
        Case(
            sentence="a release by another fault ends no hold",
            trace=held_longer_by_another_fault,
            holds=None,
            says="attempt 2's connection was held, yet it reached the database meanwhile",
        ),
        Case(
            sentence="bytes through a held connection contradict it",
            trace=bytes_while_held,
            holds=None,
            says="yet it reached the database meanwhile",
        ),
        Case(
            sentence="a fault that goes on after its heal contradicts the heal",
            trace=held_after_the_heal,
            holds=None,
            says="still held a connection of attempt 4 after it was said to be healed",
        ),
        Case(
            sentence="no receipt, nothing to contradict",
            trace=lambda: without(reproduction(), "link.held"),
            holds=None,
            says="there is no receipt",
        ),
    ),
    *of(
        "no_receipt",
        Case(
            sentence="a control run has none",
            trace=control,
            holds=True,
            says="no receipt of any fault",
        ),
        Case(
            sentence="a hold in a run without faults is one too many",
            trace=reproduction,
            holds=False,
            says="events of a fault in a run without faults",
        ),
        Case(
            sentence="no connection at all, nothing seen",
            trace=lambda: without(control(), "link.opened", attempt=1),
            holds=None,
            says="no connection of the app was seen",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


def test_time_outs_are_what_the_synthetic_incident_fails_with() -> None:
    assert one(reproduction(), "phase.failed").data["error"] == TIME_OUT


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


@settings(max_examples=40, deadline=None)
@given(lost=LOST, late=st.booleans())
def test_no_finding_depends_on_the_order_of_the_faults_in_the_plan(
    lost: list[tuple[str, int | None]], *, late: bool
) -> None:
    trace = two_faults(late=late)
    for kind, attempt in lost:
        trace = without(trace, kind, attempt=attempt)
    assert judge(in_order(trace, (0, 1))).findings == judge(in_order(trace, (1, 0))).findings

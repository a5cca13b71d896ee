"""What tells issue 1278 from outages in which the database phase hangs at its limit as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import changed, inserted, moved, one, without
from crashloop_traces import FAULT, REPRODUCTION, TARGET, pid

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Verdict

if TYPE_CHECKING:
    from crashloop.model import Judgement
    from crashloop.trace.event import Trace

FAILED = (1, 2, 3)


def connected(trace: Trace = REPRODUCTION) -> Trace:
    """The path passes each connection on at once, and the server does not answer."""
    trace = without(trace, "link.held", "link.released")
    for attempt in FAILED:
        opened = one(trace, "link.opened", attempt)
        link = opened.data["link"]
        mine: dict[str, Any] = {"attempt": attempt, "target": TARGET, "link": link}
        trace = inserted(trace, opened, "proxy", "link.connected", **mine)
        trace = changed(
            trace, "link.closed", attempt=attempt, first_byte_up_ns=opened.mono_ns + 2000
        )
    return trace


def answered() -> Trace:
    """The server answers the first words of each connection, and then hangs."""
    trace = connected()
    for attempt in FAILED:
        sent_ns = one(trace, "link.closed", attempt).data["first_byte_up_ns"]
        trace = changed(trace, "link.closed", attempt=attempt, first_byte_down_ns=sent_ns + 1000)
    return trace


def instead(kind: str, source: str = "proxy", **data: Any) -> Trace:
    """Each attempt that failed has such an event in place of a connection."""
    trace = REPRODUCTION
    for attempt in FAILED:
        trace = without(
            trace, "link.opened", "link.held", "link.released", "link.closed", attempt=attempt
        )
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, source, kind, attempt=attempt, target=TARGET, fault=FAULT,
            pid=pid(attempt), session=pid(attempt), **data,
        )  # fmt: skip
    return trace


def probed() -> Trace:
    """Each attempt had an answer on another connection before the phase."""
    trace = REPRODUCTION
    for attempt in FAILED:
        done = one(trace, "phase.completed", attempt, "dependencies")
        mine: dict[str, Any] = {"attempt": attempt, "target": TARGET, "link": f"probe-{attempt}"}
        ended: dict[str, Any] = {
            "by": "client",
            "first_byte_up_ns": 1,
            "first_byte_down_ns": done.mono_ns + 500,
        }
        trace = inserted(trace, done, "proxy", "link.closed", **mine, **ended)
        trace = inserted(trace, done, "proxy", "link.opened", **mine, client_pid=pid(attempt))
    return trace


def waited_again() -> Trace:
    """The attempt that starts waits for nearly as long as the others."""
    trace = moved(REPRODUCTION, "phase.started", -1.0, attempt=4, phase="database")
    return moved(trace, "link.opened", -0.99, attempt=4)


def of_1278(trace: Trace) -> Judgement:
    return judge(trace, incident("issue-1278").scenario().signature)


@pytest.mark.parametrize(
    ("trace", "check"),
    [
        pytest.param(connected(), "not_let_through", id="a server that is stopped"),
        pytest.param(answered(), "not_let_through", id="a lock, or a query that hangs"),
        pytest.param(
            instead("name.asked", "harness"), "not_let_through", id="a name that comes late"
        ),
        pytest.param(
            instead("gate.syn_seen", at="tcp:[::1]:5432"),
            "not_let_through",
            id="an address of the name that nobody answers",
        ),
        pytest.param(probed(), "connected_before", id="a retry that covers a probe only"),
        pytest.param(waited_again(), "a_life_got_through", id="new instances without egress"),
    ],
)
def test_a_phase_that_hangs_for_another_reason_is_refuted_by_what_tells_it_apart(
    trace: Trace, check: str
) -> None:
    judgement = of_1278(trace)
    refuted = [finding.check for finding in judgement.findings if finding.holds is False]
    assert judgement.verdict is not Verdict.REPRODUCED
    assert refuted == [check]


def test_a_connector_that_drops_the_syns_of_new_connections_is_the_same_outage() -> None:
    judgement = of_1278(instead("gate.syn_seen"))
    expected = [finding for finding in judgement.findings if finding.role == "expect"]
    assert all(finding.holds for finding in expected), judgement.reason


def test_a_connector_that_delays_each_answer_lets_connections_through() -> None:
    slow, usual = (
        {
            spec.check: spec.params
            for spec in incident("issue-1278").scenario(**own).signature.expect
        }
        for own in ({"fault": "latency"}, {})
    )
    assert slow["connection_was"]["way"] == "answered"
    assert "not_let_through" not in slow
    assert "connection_was" not in usual

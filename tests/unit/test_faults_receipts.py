"""What a fault shows while it is being injected is a receipt of it, too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from crashloop_traces import REDIS, TARGET, TIME_OUT, TraceBuilder, link_of

from crashloop.checks import CHECKS
from crashloop.checks.touches import touches
from crashloop.faults import fault_kind, plan
from crashloop.incidents import incident
from crashloop.model import Life, Moment, Trigger

NEVER = Trigger(first_of=(Moment(on="never"),))


@pytest.mark.parametrize(
    ("kind", "target", "source"),
    [("loading", "redis", "cache"), ("paused", "postgres", "database")],
)
def test_the_servers_word_comes_before_the_injection_is_over_and_covers_who_connects(
    kind: str, target: str, source: str
) -> None:
    fault = plan(name="x", target=target, kind=kind, inject=NEVER, heal=NEVER)
    built = TraceBuilder(replace(incident("issue-1278").scenario(), faults=(fault,)))
    built.opening()
    built.add(source, fault_kind(kind).receipt.kinds[0], target=target)  # of an earlier run of it
    begun_ns = built.now_ns + 1
    receipt = fault_kind(kind).receipt
    words: dict[str, Any] = dict(receipt.where)
    said = built.add(source, receipt.kinds[0], target=target, **words)
    built.add("harness", "fault.injected", target=target, fault="x", begun_ns=begun_ns)
    built.started(1)
    built.link("second", 1, target=target, address=REDIS)
    trace = built.trace()
    found = [(each.life, each.event.seq) for each in touches(trace, trace.scenario["faults"][0])]
    assert found == [(Life(1, 1), said.seq)]


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("reset_peer", {"timeout_s": 0.0}),
        ("limit_data", {"limit_bytes": 200}),
        ("timeout", {"timeout_s": 8.0}),
    ],
)
def test_a_connection_that_a_fault_ends_has_its_receipt_although_its_end_is_seen_late(
    kind: str, params: dict[str, float]
) -> None:
    fault = plan(name="x", target=TARGET, kind=kind, inject=NEVER, heal=NEVER, params=params)
    built = TraceBuilder(replace(incident("issue-1278").scenario(), faults=(fault,)))
    mine: dict[str, Any] = {"attempt": 1, "target": TARGET, "link": link_of(1), "fault": "x"}

    def ended() -> None:
        built.link(link_of(1), 1)
        built.add("proxy", "link.dropped", **mine, direction="downstream", bytes=1)

    built.opening()
    built.injected()
    built.started(1)
    built.phase("database", 1, took_s=0.01, error=TIME_OUT, touch=ended)
    built.add("proxy", "link.closed", **mine, by="proxy")
    result = CHECKS["faults_have_receipts"](built.trace(), phase="database", target=TARGET)
    assert result.holds, result.says


@pytest.mark.parametrize("is_held_at_the_heal", [True, False])
def test_a_lock_covers_who_is_connected_only_if_it_is_still_held_at_the_heal(
    is_held_at_the_heal: bool,
) -> None:
    fault = plan(name="x", target=TARGET, kind="lock_orphaned", inject=NEVER, heal=NEVER)
    built = TraceBuilder(replace(incident("issue-1278").scenario(), faults=(fault,)))
    held: dict[str, Any] = {"target": TARGET, "sessions": {TARGET: 1}}
    built.opening()
    begun_ns = built.now_ns + 1
    built.add("database", "database.lock_orphaned", **held)
    built.add("harness", "fault.injected", target=TARGET, fault="x", begun_ns=begun_ns)
    built.started(1)
    built.link(link_of(1), 1)
    begun_ns = built.now_ns + 1
    if is_held_at_the_heal:
        built.add("database", "database.lock_orphaned", **held)
    built.add("harness", "fault.healed", target=TARGET, fault="x", begun_ns=begun_ns)
    trace = built.trace()
    found = [each.life for each in touches(trace, trace.scenario["faults"][0])]
    assert found == [Life(1, 1)] * is_held_at_the_heal

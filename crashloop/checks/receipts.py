"""Whether each fault really touched what it was meant to touch.

A receipt is an observation, never the word that a gate was on. *direct*: the proxy held or delayed
that connection. *kernel*: a SYN_SENT socket of the attempt's process, seen while the gate was shut.
*client*: the attempt's own ECONNREFUSED for the gate's address while it was shut.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.trace.event import Event, Trace

_DIRECT = ("link.held", "link.delayed")
_KERNEL = ("gate.syn_seen",)
# ECONNREFUSED is 111 on Linux and 61 on macOS; a trace may be judged on another machine.
_REFUSED_ERRNOS = frozenset({errno.ECONNREFUSED, 111, 61})
_FAR_FUTURE_NS = 2**63 - 1


def faults_have_receipts(trace: Trace) -> Result:
    """Each planned fault has a receipt, and so has each attempt that failed in phase database."""
    faults = trace.scenario.get("faults") or []
    if not faults:
        return saw_nothing("no fault was planned")
    evidence: list[Event] = []
    everything: list[Event] = []
    for fault in faults:
        injected = [e for e in trace.of("fault.injected") if e.data.get("fault") == fault["name"]]
        if not injected:
            return saw_nothing(f"fault {fault['name']} was never injected")
        found = _receipts(trace, fault)
        if not found:
            return saw_nothing(
                f"fault {fault['name']} ({fault['kind']}) has no {fault['grade']} receipt: "
                "nothing shows that it touched a connection of the app",
                injected,
            )
        evidence.append(found[0])
        everything += found
    for failed in trace.of("phase.failed", phase="database"):
        started = _phase_start(trace, failed)
        if not any(_touches(r, failed, started) for r in everything):
            return saw_nothing(
                f"attempt {failed.attempt} failed in phase database without any receipt", [failed]
            )
    return holds(f"{len(everything)} receipts, one at least for every failed attempt", everything)


def receipts_not_contradicted(trace: Trace) -> Result:
    """No connection that was said to be held let the app through meanwhile."""
    held = trace.of("link.held")
    done = trace.of("phase.completed", phase="database")
    for event in held:
        until_ns = _hold_end_ns(trace, event)
        for completed in done:
            inside = event.mono_ns < completed.mono_ns < until_ns
            if completed.attempt == event.attempt and inside and not _other_link(trace, event):
                return saw_nothing(
                    f"a receipt says that attempt {event.attempt}'s connection was held, yet its "
                    "phase database completed meanwhile: the receipt is not true",
                    [event, completed],
                )
        closed = next(iter(_of_link(trace, "link.closed", event)), None)
        first_ns = (closed.data.get("first_byte_down_ns") if closed else None) or _FAR_FUTURE_NS
        if closed is not None and event.mono_ns < first_ns < until_ns:
            return saw_nothing(
                "bytes of the database reached a connection while it was held", [event, closed]
            )
    return holds("no receipt is contradicted by what the app saw", held)


def no_receipt(trace: Trace) -> Result:
    """Nothing was touched by any fault: a control run's claim."""
    found = trace.of(*_DIRECT, *_KERNEL, "fault.injected")
    if found:
        return refuted(f"{len(found)} events of a fault in a run without faults", found)
    if trace.first("link.opened") is None:
        return saw_nothing("no connection was seen at all")
    return holds("not one receipt", trace.of("link.opened")[:1])


def _receipts(trace: Trace, fault: Mapping[str, Any]) -> list[Event]:
    """The fault's receipts, of its grade, on connections of an attempt's own process."""
    if fault["grade"] == "client":
        return _client_receipts(trace, fault)
    kinds = _DIRECT if fault["grade"] == "direct" else _KERNEL
    pids = {e.attempt: e.data.get("pid") for e in trace.of("process.started")}
    found = []
    for event in trace.of(*kinds):
        if event.data.get("fault") != fault["name"] or event.attempt is None:
            continue
        pid = event.data.get("pid")
        if fault["grade"] == "kernel" and pid is None:
            continue
        if pid is None or pid == pids.get(event.attempt):
            found.append(event)
    return found


def _client_receipts(trace: Trace, fault: Mapping[str, Any]) -> list[Event]:
    address = trace.database_address
    checked = [
        e
        for e in trace.of("gate.checked")
        if e.data.get("fault") == fault["name"] and e.data.get("observed") == "refused"
    ]
    if not checked:
        return []
    healed = [e for e in trace.of("fault.healed") if e.data.get("fault") == fault["name"]]
    until_ns = healed[0].mono_ns if healed else _FAR_FUTURE_NS
    return [
        e
        for e in trace.of("phase.failed", "phase.degraded", phase="database")
        if e.data.get("database_address") == address
        and checked[0].mono_ns < e.mono_ns < until_ns
        and any(link.get("errno") in _REFUSED_ERRNOS for link in e.data.get("error") or [])
    ]


def _touches(receipt: Event, failed: Event, started_ns: int) -> bool:
    inside = started_ns <= receipt.mono_ns <= failed.mono_ns
    return receipt is failed or (receipt.attempt == failed.attempt and inside)


def _phase_start(trace: Trace, failed: Event) -> int:
    started = trace.of("phase.started", attempt=failed.attempt, phase=failed.data["phase"])
    return started[-1].mono_ns if started else 0


def _of_link(trace: Trace, kind: str, event: Event) -> Sequence[Event]:
    return [e for e in trace.of(kind) if e.data.get("link") == event.data.get("link")]


def _hold_end_ns(trace: Trace, held: Event) -> int:
    ends = [*_of_link(trace, "link.released", held), *_of_link(trace, "link.closed", held)]
    return min((e.mono_ns for e in ends), default=_FAR_FUTURE_NS)


def _other_link(trace: Trace, held: Event) -> bool:
    """Whether the attempt had a connection that was let through."""
    links = {e.data.get("link") for e in trace.of("link.connected", attempt=held.attempt)}
    return bool(links - {e.data.get("link") for e in trace.of("link.held", attempt=held.attempt)})

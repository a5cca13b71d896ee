"""Whether each fault really touched what it was meant to touch.

A receipt is an observation; switching a fault on is not a receipt. *direct*: the proxy held or
delayed that connection. *kernel*: a SYN_SENT socket of the attempt's processes, seen while the gate
was shut. *client*: the attempt's own ECONNREFUSED for the gate's address while it was shut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.connections import is_own, of_link, was_refused
from crashloop.checks.lines import phase_started
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.trace.event import Event, Trace

_DIRECT = ("link.held", "link.delayed")
_KERNEL = ("gate.syn_seen",)
_FAR_FUTURE_NS = 2**63 - 1

# A fault that touches the app only late in its phase, or that lets go of it early, does not explain
# what the phase waited for. What the app does before it connects is real work, which no time scale
# makes faster.
UNTOUCHED_AT_MOST = 0.5
REAL_WORK_NS = 50_000_000


def faults_have_receipts(trace: Trace) -> Result:
    """Each planned fault has a receipt, and so has each attempt that failed in phase database.

    The fault touches a failed attempt in the first half of its phase, and still in the second. A
    phase that began after the last heal needs no receipt.
    """
    faults = planned_faults(trace)
    if not faults:
        return saw_nothing("no fault was planned")
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
        everything += found
    everything.sort(key=_first_touch_ns)
    healed_ns = _last_heal_ns(trace)
    failures = 0
    for failed in trace.of("phase.failed", phase="database"):
        started_ns = phase_start_ns(trace, failed)
        if started_ns > healed_ns:
            continue
        touched = [r for r in everything if _touches(r, failed, started_ns)]
        if not touched:
            return saw_nothing(
                f"attempt {failed.attempt} failed in phase database without any receipt", [failed]
            )
        if why := _unexplained(trace, touched, failed, started_ns):
            return saw_nothing(f"{why}: it does not explain what the phase waited for", [failed])
        failures += 1
    receipts = counted(len(everything), "receipt")
    failed_too = f", for {counted(failures, 'failed attempt')}" if failures else ""
    return holds(f"{receipts}{failed_too}", everything)


def receipts_not_contradicted(trace: Trace) -> Result:
    """No connection let the app through while it was held, and no fault outlived its heal."""
    receipts = [r for fault in planned_faults(trace) for r in _receipts(trace, fault)]
    if not receipts:
        return saw_nothing("there are no receipts to contradict")
    for event in trace.of("link.held"):
        healed = [e for e in trace.of("fault.healed") if e.data.get("fault") == event.data["fault"]]
        if healed and event.mono_ns > healed[0].mono_ns:
            return saw_nothing(
                f"fault {event.data['fault']} still held a connection of attempt "
                f"{event.attempt} after its heal",
                [healed[0], event],
            )
        until_ns = _hold_end_ns(trace, event)
        connected = of_link(trace, "link.connected", event)
        closed = of_link(trace, "link.closed", event)
        passed_ns = [e.mono_ns for e in connected]
        passed_ns += [e.data.get("first_byte_down_ns") or _FAR_FUTURE_NS for e in closed]
        if any(event.mono_ns < ns < until_ns for ns in passed_ns):
            return saw_nothing(
                f"a receipt says that attempt {event.attempt}'s connection was held, yet it "
                "reached the database meanwhile: the receipt is not true",
                [event, *connected, *closed],
            )
    return holds("no receipt is contradicted by what the app and the links show", receipts)


def no_receipt(trace: Trace) -> Result:
    """Nothing was touched by any fault: a control run's claim."""
    found = trace.of(*_DIRECT, *_KERNEL, "fault.injected")
    if found:
        return refuted(f"{len(found)} events of a fault in a run without faults", found)
    own = [e for e in trace.of("link.opened") if is_own(trace, e)]
    if not own:
        return saw_nothing("no connection of the app was seen")
    return holds("no receipt of any fault", own[:1])


def planned_faults(trace: Trace) -> list[Mapping[str, Any]]:
    """The scenario's faults by name: no finding depends on their order in the plan."""
    return sorted(trace.scenario.get("faults") or [], key=lambda fault: str(fault["name"]))


def _receipts(trace: Trace, fault: Mapping[str, Any]) -> list[Event]:
    """The fault's receipts, of its grade, on connections of an attempt's own process."""
    if fault["grade"] == "client":
        return _client_receipts(trace, fault)
    kinds = _DIRECT if fault["grade"] == "direct" else _KERNEL
    found = [e for e in trace.of(*kinds) if e.data.get("fault") == fault["name"]]
    return [e for e in found if is_own(trace, e)]


def _client_receipts(trace: Trace, fault: Mapping[str, Any]) -> list[Event]:
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
        if was_refused(e, trace.database_address) and checked[0].mono_ns < e.mono_ns < until_ns
    ]


def _touches(receipt: Event, failed: Event, started_ns: int) -> bool:
    inside = started_ns <= receipt.mono_ns <= failed.mono_ns
    return receipt is failed or (receipt.attempt == failed.attempt and inside)


def _unexplained(
    trace: Trace, touched: Sequence[Event], failed: Event, started_ns: int
) -> str | None:
    """How long the fault left a failed phase alone, where that is too long; else None."""
    if failed in touched:
        return None
    lasted_ns = failed.mono_ns - started_ns
    fair_ns = max(lasted_ns * UNTOUCHED_AT_MOST, REAL_WORK_NS)
    late_ns = _first_touch_ns(touched[0]) - started_ns
    early_ns = failed.mono_ns - max(_last_touch_ns(trace, receipt) for receipt in touched)
    whole = f"the {lasted_ns / 1e9:.3f} s of its phase database"
    if late_ns > fair_ns:
        late = f"only {late_ns / 1e9:.3f} s into {whole}"
        return f"the fault touched attempt {failed.attempt} {late}"
    if early_ns > fair_ns:
        early = f"for the last {early_ns / 1e9:.3f} s of {whole}"
        return f"the fault did not touch attempt {failed.attempt} {early}"
    return None


def _last_touch_ns(trace: Trace, receipt: Event) -> int:
    """When the fault let go of what the receipt shows; the far future where nothing says so.

    Only a link's first delayed chunks are receipts; the sum of all delays is known at its end.
    """
    if receipt.kind == "link.held":
        return _hold_end_ns(trace, receipt)
    if receipt.kind != "link.delayed":
        return _FAR_FUTURE_NS
    closed = of_link(trace, "link.closed", receipt)
    totals = [each for event in closed for each in event.data.get("delays") or []]
    ours = [float(each["delay_s"]) for each in totals if each["fault"] == receipt.data["fault"]]
    if not ours:
        return _FAR_FUTURE_NS
    if receipt.data.get("chunk") != 1:
        return receipt.mono_ns
    return _first_touch_ns(receipt) + round(sum(ours) * 1e9)


def _first_touch_ns(receipt: Event) -> int:
    """When the fault began to act; a delayed chunk is recorded when it is passed on."""
    return receipt.mono_ns - round(float(receipt.data.get("delay_s") or 0) * 1e9)


def phase_start_ns(trace: Trace, ended: Event) -> int:
    """When the phase that ends with this event began; 0 if nothing says so."""
    started = phase_started(trace, ended)
    return 0 if started is None else started.mono_ns


def _last_heal_ns(trace: Trace) -> int:
    """When the last fault was healed; the far future if one was never healed."""
    planned = {fault["name"] for fault in planned_faults(trace)}
    healed = {e.data.get("fault"): e.mono_ns for e in trace.of("fault.healed")}
    return max((healed.get(name, _FAR_FUTURE_NS) for name in planned), default=_FAR_FUTURE_NS)


def _hold_end_ns(trace: Trace, held: Event) -> int:
    fault = held.data.get("fault")
    ends = [e for e in of_link(trace, "link.released", held) if e.data.get("fault") == fault]
    ends += of_link(trace, "link.closed", held)
    return min((e.mono_ns for e in ends), default=_FAR_FUTURE_NS)

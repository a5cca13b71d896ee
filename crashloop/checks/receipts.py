"""Whether each fault really touched what it was meant to touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.failures import Failure, failures
from crashloop.checks.link_times import FAR_FUTURE_NS, hold_end_ns
from crashloop.checks.lives import lives, observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.checks.touches import (
    COUNT_NS,
    OF_REPLICAS,
    life_of_word,
    periods,
    planned_faults,
    says_sqlstate,
    touches,
)
from crashloop.model import Grade
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.checks.touch import Touch
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

# A fault that touches the app only late in its phase, or that lets go of it early, does not explain
# what the phase waited for. What the app does before it connects is real work, which no time scale
# makes faster.
UNTOUCHED_AT_MOST = 0.5
REAL_WORK_NS = 50_000_000

# What a phase waits for when it is killed, it has tried lately. Chosen: the retries of the
# incidents pause for 10 s at most, where the probe waits for 60 s at least.
UNTRIED_AT_MOST = 0.2


def faults_have_receipts(trace: Trace, *, phase: str, target: str) -> Result:
    """Each planned fault has a receipt, and so has each life that failed in the phase.

    Without a phase, that is each life that died. The receipts of a life are those of faults of the
    phase's `target`, or of the app's instances. The fault touches a life that failed until the end
    of its phase, and from its first half on if the phase waited until its limit. A phase that began
    after the last heal needs no receipt.

    A whole life may end long after it was last touched, because the app waits on its own before it
    gives up, or serves without the target for a while: the control life shows that it does not die
    without a fault. But if it got through to the target after that, and lasted for over half of its
    time, something else ended it.
    """
    faults = planned_faults(trace)
    if not faults:
        return saw_nothing("no fault was planned")
    by_target: list[tuple[str, Touch]] = []
    for fault in faults:
        if not periods(trace, fault):
            planned = [
                e for e in observed(trace, "fault.injected") if e.data.get("fault") == fault["name"]
            ]
            how = "unplugged, so nothing shows it" if planned else "never injected"
            return saw_nothing(f"fault {fault['name']} was {how}", planned)
        found = touches(trace, fault)
        if not found:
            return saw_nothing(
                f"fault {fault['name']} ({fault['kind']}) has no {fault['receipt']['grade']} "
                "receipt: nothing shows that it acted on the app",
                [e for e in observed(trace, "fault.injected") if e.data["fault"] == fault["name"]],
            )
        by_target += [(fault["target"], touch) for touch in found]
    by_target.sort(key=lambda each: each[1].begins_ns)
    everything = [touch for _, touch in by_target]
    explaining = [
        touch
        for acted_on, touch in by_target
        if acted_on in {target, OF_REPLICAS} and touch.reached in {None, target}
    ]
    healed_ns = last_heal_ns(trace)
    explained: set[Life | None] = set()
    for failure in failures(trace, phase):
        if failure.began_ns > healed_ns:
            continue
        if why := _unexplained(trace, explaining, failure, target):
            return saw_nothing(why, [failure.ended])
        explained.add(failure.ended.life)
    shown = {(touch.event.seq, touch.life if touch.covers else None) for touch in everything}
    failed_too = f", for {counted(len(explained), 'failed attempt')}" if explained else ""
    says = f"{counted(len(shown), 'receipt')}{failed_too}{_by_whose_word(faults, everything)}"
    return holds(says, evidence_of(everything))


def receipts_not_contradicted(trace: Trace) -> Result:
    """No connection let the app through while it was held, and no fault outlived its heal.

    No target whose processes were stopped answered meanwhile.
    """
    receipts = [touch for fault in planned_faults(trace) for touch in touches(trace, fault)]
    if not receipts:
        return saw_nothing("there are no receipts to contradict")
    for event in observed(trace, "link.held"):
        fault = event.data["fault"]
        name = trace.name(event.life)
        healed = [e for e in observed(trace, "fault.healed") if e.data.get("fault") == fault]
        on = periods(trace, {"name": fault})
        before = [e for e in healed if e.mono_ns < event.mono_ns]
        if before and not any(since <= event.mono_ns <= until for since, until in on):
            return saw_nothing(
                f"fault {fault} still held a connection of {name} after its heal",
                [before[-1], event],
            )
        until_ns = hold_end_ns(trace, event)
        connected = of_link(trace, "link.connected", event)
        closed = of_link(trace, "link.closed", event)
        passed_ns = [e.mono_ns for e in connected]
        passed_ns += [e.data.get("first_byte_down_ns") or FAR_FUTURE_NS for e in closed]
        if any(event.mono_ns < ns < until_ns for ns in passed_ns):
            return saw_nothing(
                f"a receipt says that a connection of {name} was held, yet it reached "
                f"{event.target} meanwhile: the receipt is not true",
                [event, *connected, *closed],
            )
    if found := _answered_while_stopped(trace):
        return found
    says = "no receipt is contradicted by what the app and the links show"
    return holds(says, evidence_of(receipts))


def evidence_of(receipts: Sequence[Touch]) -> list[Event]:
    """The events that show receipts, each once."""
    return list({event.seq: event for touch in receipts for event in touch.evidence}.values())


def no_receipt(trace: Trace, *, target: str) -> Result:
    """Nothing was touched by any fault, and the app came to the target: a control run's claim.

    An app without any dependency, whose target are its own instances, comes to nothing.
    """
    found = [e for e in trace.events if e.source != "app" and e.data.get("fault")]
    if found:
        return refuted(f"{len(found)} events of a fault in a run without faults", found)
    if target == OF_REPLICAS:
        return holds("no receipt of any fault", observed(trace, "process.started")[:1])
    own = [e for e in observed(trace, "link.opened", target=target) if is_own(trace, e)]
    missing = {life.replica for life in lives(trace)} - {e.replica for e in own}
    if not own or missing:
        where = f" in replica {min(missing)}" if missing and len(trace.replicas()) > 1 else ""
        return saw_nothing(f"no connection of the app was seen{where}")
    return holds("no receipt of any fault", own[:1])


def last_heal_ns(trace: Trace) -> int:
    """When the last fault was healed; the far future if one is still on, or was never."""
    on = [periods(trace, fault) for fault in planned_faults(trace)]
    return max((each[-1][1] if each else FAR_FUTURE_NS for each in on), default=FAR_FUTURE_NS)


def _answered_while_stopped(trace: Trace) -> Result | None:
    """A connection that was made while its target was stopped, and got an answer; None if none."""
    for stopped in observed(trace, "process.stopped"):
        continued = observed(trace, "process.continued", target=stopped.target)
        ends = [e for e in continued if e.mono_ns > stopped.mono_ns][:1]
        until_ns = min((e.data.get("begun_ns", e.mono_ns) for e in ends), default=FAR_FUTURE_NS)
        for opened in observed(trace, "link.opened", target=stopped.target):
            for closed in of_link(trace, "link.closed", opened):
                answered_ns = closed.data.get("first_byte_down_ns") or FAR_FUTURE_NS
                if stopped.mono_ns < opened.mono_ns and answered_ns < until_ns:
                    return saw_nothing(
                        f"a receipt says that {stopped.target} was stopped, yet "
                        f"{trace.name(opened.life)} got an answer from it meanwhile: the receipt "
                        "is not true",
                        [stopped, opened, closed, *ends],
                    )
    return None


def _by_whose_word(faults: Sequence[Mapping[str, Any]], receipts: Sequence[Touch]) -> str:
    """Whether the receipts are the app's own word, and which are weaker; empty if none is."""
    own = [fault["receipt"]["grade"] == Grade.CLIENT for fault in faults]
    if not any(own):
        return ""
    weak = len([touch for touch in receipts if touch.is_weak])
    said = any(touch.event.source == "app" for touch in receipts)
    part = "" if all(own) else "in part "
    by = "by the app's own word" if said else "by the packets alone"
    says = f", {part}{by}, while the port was proven shut"
    name = "do not say whose they are" if weak > 1 else "does not say whose it is"
    return f"{says}; {weak} of them {name}, so they count by their time alone" if weak else says


def _unexplained(
    trace: Trace, explaining: Sequence[Touch], failure: Failure, target: str
) -> str | None:
    """Why no fault explains that the phase failed, or that the life died; None if one does."""
    name = trace.name(failure.ended.life)
    touched = [touch for touch in explaining if _is_in(trace, touch, failure)]
    if any(_is_the_error(trace, touch, failure) for touch in explaining):
        return None
    if not touched:
        how = f"failed in phase {failure.phase}" if failure.phase else "died"
        return f"{name} {how} without any receipt"
    fair_ns = max(failure.lasted_ns * UNTOUCHED_AT_MOST, REAL_WORK_NS)
    late_ns = touched[0].begins_ns - failure.began_ns
    last_ns = max(failure.lasted_ns * UNTRIED_AT_MOST, REAL_WORK_NS) if failure.kill else fair_ns
    early_ns = failure.until_ns - max(touch.ends_ns for touch in touched)
    whole = f"the {failure.lasted_ns / 1e9:.3f} s of {failure.what}"
    why = ""
    if late_ns > fair_ns and failure.waited:
        why = f"touched {name} only {late_ns / 1e9:.3f} s into {whole}"
    elif early_ns > last_ns and failure.phase:
        why = f"did not touch {name} for the last {early_ns / 1e9:.3f} s of {whole}"
    elif early_ns > last_ns and _got_through(trace, touched, failure, target):
        why = f"let {name} through to {target} in the last {early_ns / 1e9:.3f} s of {whole}"
    waited = "the phase waited for" if failure.phase else "it died of"
    return why and f"the fault {why}: it does not explain what {waited}"


def _got_through(trace: Trace, touched: Sequence[Touch], failure: Failure, target: str) -> bool:
    """Whether the target answered a connection of the life that came after the last touch."""
    last_ns = max(touch.event.mono_ns for touch in touched)
    own = [touch.connection or touch.event for touch in touched]
    links = {event.data.get("link") for event in own}
    for opened in observed(trace, "link.opened", life=failure.ended.life, target=target):
        if opened.mono_ns < last_ns or opened.data.get("link") in links:
            continue
        answered = [e.data.get("first_byte_down_ns") for e in of_link(trace, "link.closed", opened)]
        if is_own(trace, opened) and any(ns and ns <= failure.until_ns for ns in answered):
            return True
    return False


def _is_in(trace: Trace, touch: Touch, failure: Failure) -> bool:
    """Whether the fault touched the life while the phase ran.

    A server's log may be read a little after the app has logged that it failed, so the connection
    that the server's error is about counts, too.
    """
    ended_ns = failure.until_ns
    if touch.life != failure.ended.life:
        return False
    if touch.covers:
        return touch.begins_ns <= ended_ns and touch.ends_ns >= failure.began_ns
    if touch.event.mono_ns <= ended_ns:
        return failure.began_ns <= touch.event.mono_ns
    came, _ = life_of_word(trace, touch.event)
    is_late = touch.event.mono_ns <= ended_ns + COUNT_NS
    return is_late and came is not None and failure.began_ns <= came.mono_ns <= ended_ns


def _is_the_error(trace: Trace, touch: Touch, failure: Failure) -> bool:
    """Whether the receipt is the very error that the phase failed with."""
    sqlstate = touch.event.data.get("sqlstate")
    if touch.life != failure.ended.life or not sqlstate:
        return touch.event is failure.ended
    return says_sqlstate(trace, touch.event, failure.ended, str(sqlstate))

"""What a life's connections to a target came to, as the proxy saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link, was_refused
from crashloop.checks.failures import failures
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import deaths, lives, observed
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.checks.failures import Failure
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

WAYS = {
    "unheard": "nobody answered its look-up of the name",
    "unknown": "it was told that the name has no address",
    "elsewhere": "its look-up of the name led it to another address",
    "unanswered": "the kernel dropped its SYN",
    "refused": "its connection was refused",
    "turned_away": "its connection was accepted and closed at once",
    "silent": "its connection was accepted, and no byte came back",
    "swallowed": "the path dropped all that the server answered",
    "reset": "the path reset its connection",
    "cut": "its connection was answered, and then closed by the path",
    "answered": "its connection was answered",
}
"""What a connection can come to, from the least to the most that the client gets."""


def connection_was(trace: Trace, *, target: str, phase: str, way: str) -> Result:
    """Every life that failed in the phase had come to the target, and best in this way.

    `way` is one of WAYS. A life's best connection counts: where one was answered and another was
    not, it is `answered`.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    evidence: list[Event] = []
    for failure in failed:
        name = trace.name(failure.ended.life)
        found = list(_ways(trace, failure, target))
        if not found:
            return saw_nothing(f"{name} was never seen to come to {target}", [failure.ended])
        ways = ["", *WAYS]
        best, event = max(found, key=lambda each: ways.index(each[0]))
        if best != ways[-1] and (unknown := [each for way_of, each in found if not way_of]):
            says = f"nothing says what came of a connection of {name} to {target}"
            return saw_nothing(says, unknown)
        if best != way:
            return refuted(f"{name}: {WAYS[best]}", [event, failure.ended])
        evidence.append(event)
    return holds(f"{counted(len(failed), 'attempt')}, each: {WAYS[way]}", evidence)


def never_came(trace: Trace, *, target: str) -> Result:
    """No life came to the target: it had no connection there, sent no SYN, and was not refused.

    So whatever the target does, it is not what the lives died of.
    """
    known = set(lives(trace))
    if not known:
        return saw_nothing("no attempt was started")
    kinds = ("link.opened", "gate.syn_seen", "gate.refused")
    came = [e for e in observed(trace, *kinds, target=target) if "at" not in e.data]
    came += [e for e in trace.events if e.source == "app" and was_refused(trace, e, target)]
    started = observed(trace, "process.started")
    if not observed(trace, "link.opened", target=target):
        return saw_nothing(f"nobody was seen to come to {target}, not even before any attempt")
    unknown = [e for e in came if e.kind == "link.opened" and e.life is None]
    for event in came:
        if event.life in known:
            return refuted(f"{trace.name(event.life)} came to {target}", [event])
    if after := [e for e in unknown if e.mono_ns > started[0].mono_ns]:
        return saw_nothing(f"nothing says who came to {target}", after)
    return holds(f"{counted(len(known), 'attempt')} never came to {target}", started)


def came_from_several(trace: Trace, *, target: str, processes: int) -> Result:
    """Each life that died had come to the target from at least so many of its own processes.

    A server with workers has several in one life; the proxy knows from which a connection came.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        name = trace.name(died.life)
        opened = observed(trace, "link.opened", life=died.life, target=target)
        own = [e for e in opened if is_own(trace, e)]
        if not own:
            return refuted(f"{name} was never seen to come to {target}", [died])
        first = {e.data["client_pid"]: e for e in reversed(own) if e.data.get("client_pid")}
        if not first:
            return saw_nothing(f"nothing says from which process {name} came to {target}", own)
        if len(first) < processes:
            which = "1 process" if len(first) == 1 else f"{len(first)} processes"
            return refuted(f"{name} came to {target} from {which}, not {processes}", own)
        evidence += first.values()
    says = f"{counted(len(exits), 'attempt')} came to {target} from {processes} processes or more"
    return holds(says, evidence)


def connected_before(trace: Trace, *, target: str, phase: str, before: bool = True) -> Result:
    """Every life that failed in the phase had an answer from the target before the phase began.

    That was on another connection of its own, such as a probe's. Or, not `before`, none had one.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    evidence: list[Event] = []
    for failure in failed:
        name, began_ns = trace.name(failure.ended.life), failure.began_ns
        opened = observed(trace, "link.opened", life=failure.ended.life, target=target)
        own = [e for e in opened if is_own(trace, e) and e.mono_ns < began_ns]
        if not (before or _was_seen(trace, failure.ended.life, target)):
            return saw_nothing(f"{name} was never seen to come to {target}", [failure.ended])
        seen = [(event, _was_answered(trace, event, began_ns)) for event in own]
        answered = [event for event, was_answered in seen if was_answered]
        unknown = [event for event, was_answered in seen if was_answered is None]
        if not answered and unknown:
            says = f"nothing says whether {target} answered {name} before {failure.what} began"
            return saw_nothing(says, unknown)
        if bool(answered) is not before:
            had = "an answer" if answered else "no answer"
            says = f"{name} had {had} from {target} before {failure.what} began"
            return refuted(says, [*answered, failure.ended])
        evidence += answered or [failure.ended]
    had = "an answer" if before else "no answer"
    says = f"{counted(len(failed), 'attempt')} had {had} from {target} before"
    return holds(f"{says} phase {phase} began, and failed in it", evidence)


def _was_seen(trace: Trace, life: Life | None, target: str) -> bool:
    """Whether the life was seen to come to the target, or to look for it, at any time."""
    kinds = ("link.opened", "gate.syn_seen", "name.asked")
    return any(is_own(trace, event) for event in observed(trace, *kinds, life=life, target=target))


def _ways(trace: Trace, failure: Failure, target: str) -> Iterator[tuple[str, Event]]:
    """What each of the life's connections came to, until the phase was over."""
    life = failure.ended.life
    yield from _ways_of_names(trace, failure, target)
    for syn in observed(trace, "gate.syn_seen", life=life, target=target):
        if is_own(trace, syn) and _is_in(syn, failure):
            yield "elsewhere" if "at" in syn.data else "unanswered", syn
    for event in trace.events:
        if event.life == life and event.source == "app" and was_refused(trace, event, target):
            yield "refused", event
    for refused in observed(trace, "gate.refused", life=life, target=target):
        yield "refused", refused
    for opened in observed(trace, "link.opened", life=life, target=target):
        if is_own(trace, opened) and _is_in(opened, failure):
            yield _way(trace, opened), opened


def _ways_of_names(trace: Trace, failure: Failure, target: str) -> Iterator[tuple[str, Event]]:
    """What its look-ups of the target's name came to, where they did not lead it there."""
    life = failure.ended.life
    answers = observed(trace, "name.answered", life=life, target=target)
    for asked in observed(trace, "name.asked", life=life, target=target):
        if not is_own(trace, asked) or not _is_in(asked, failure):
            continue
        answered = next((e for e in answers if e.mono_ns >= asked.mono_ns), None)
        if answered is None or not _is_in(answered, failure):
            yield "unheard", asked
            continue
        addresses = answered.data.get("addresses") or []
        if not addresses:
            yield "unknown", answered
        elif not (trace.address(target) or "").startswith(f"tcp:{addresses[0]}:"):
            yield "elsewhere", answered


def _way(trace: Trace, opened: Event) -> str:
    """What came of a connection; "" if nothing says so."""
    if of_link(trace, "link.turned_away", opened):
        return "turned_away"
    closed = next(iter(of_link(trace, "link.closed", opened)), None)
    by = closed.data.get("by") if closed else None
    if closed and by == "proxy" and closed.data.get("reset") is True:
        return "reset"
    was_answered = _was_answered(trace, opened, FAR_FUTURE_NS)
    if was_answered is None:
        return ""
    if not was_answered:
        return "swallowed" if of_link(trace, "link.dropped", opened) else "silent"
    return "cut" if by not in {"client", "upstream"} else "answered"


def _was_answered(trace: Trace, opened: Event, until_ns: int) -> bool | None:
    """Whether the target had answered a connection by then; None if nothing says so.

    Behind Toxiproxy only the bytes are counted, when the connection ends.
    """
    closed = next(iter(of_link(trace, "link.closed", opened)), None)
    if closed and "first_byte_down_ns" in closed.data:
        first_ns = closed.data["first_byte_down_ns"]
        return bool(first_ns) and first_ns < until_ns
    connected = of_link(trace, "link.connected", opened)
    if not any(event.mono_ns < until_ns for event in connected):
        return False
    if closed and "bytes_down" in closed.data:
        has_bytes = bool(closed.data["bytes_down"])
        return has_bytes if not has_bytes or closed.mono_ns < until_ns else None
    return None


def _is_in(event: Event, failure: Failure) -> bool:
    return failure.began_ns <= event.mono_ns <= failure.until_ns

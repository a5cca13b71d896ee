"""Whether a path let a life through to its target, and what the life sent, as the proxy saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.failures import failures
from crashloop.checks.lateness import MOST
from crashloop.checks.lives import observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.checks.failures import Failure
    from crashloop.trace.event import Event, Trace

_LETS_GO = ("link.connected", "link.turned_away", "link.closed")
"""What ends the wait of a connection that was accepted."""


def request_passed_on(trace: Trace, *, target: str, phase: str, passed_on: bool) -> Result:
    """The target got what each life that failed in the phase sent to it, or got nothing of it.

    It got it where the first byte of one of the life's connections was passed on to it.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    evidence: list[Event] = []
    for failure in failed:
        name = trace.name(failure.ended.life)
        closed = [
            event
            for opened in _opened(trace, failure, target)
            for event in of_link(trace, "link.closed", opened)
        ]
        if not closed:
            return saw_nothing(
                f"{name} was not seen to close a connection to {target}", [failure.ended]
            )
        # Behind Toxiproxy, only what came from the app is seen, and not what was passed on.
        if unseen := [event for event in closed if "first_byte_up_ns" not in event.data]:
            return saw_nothing(f"nothing says whether {target} got what {name} sent", unseen)
        got = [event for event in closed if event.data["first_byte_up_ns"]]
        if bool(got) is not passed_on:
            did = "got what" if got else "got nothing of what"
            return refuted(f"{target} {did} {name} sent to it", [*(got or closed), failure.ended])
        evidence += got or closed
    did = "got what" if passed_on else "got nothing of what"
    return holds(f"{target} {did} {counted(len(failed), 'attempt')} sent to it", evidence)


def not_let_through(trace: Trace, *, target: str, phase: str) -> Result:
    """For most of each phase that failed, the path to the target did not let the life through.

    It had not answered the life's SYN, or it had accepted a connection and not passed it on.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    evidence: list[Event] = []
    for failure in failed:
        name, waits = trace.name(failure.ended.life), list(_waits(trace, failure, target))
        if not waits:
            return _came_nowhere(trace, failure, target)
        if not failure.began_ns:
            return saw_nothing(f"nothing says when {failure.what} of {name} began", [failure.ended])
        waited_ns = _together_ns((begin_ns, end_ns) for _, begin_ns, end_ns in waits)
        came = [event for event, _, _ in waits]
        if waited_ns < MOST * failure.lasted_ns:
            waited_s, of_s = (
                f"{ns / 1e9 * trace.scale:.1f} s" for ns in (waited_ns, failure.lasted_ns)
            )
            says = f"{name} waited {waited_s} of {of_s} until the path to {target} let it through"
            return refuted(says, [*came, failure.ended])
        evidence += came
    who = counted(len(failed), "attempt")
    return holds(f"the path to {target} did not let {who} through", evidence)


def _opened(trace: Trace, failure: Failure, target: str) -> list[Event]:
    """The connections that the life opened in the phase."""
    opened = observed(trace, "link.opened", life=failure.ended.life, target=target)
    return [e for e in opened if is_own(trace, e) and _is_in(e, failure)]


def _waits(trace: Trace, failure: Failure, target: str) -> Iterator[tuple[Event, int, int]]:
    """What of the life waited at the path in the phase, each from when until when."""
    opened, until_ns = _opened(trace, failure, target), failure.until_ns
    for syn in observed(trace, "gate.syn_seen", life=failure.ended.life, target=target):
        if is_own(trace, syn) and _is_in(syn, failure) and "at" not in syn.data:
            began_ns = max(int(syn.data.get("first_ns") or syn.mono_ns), failure.began_ns)
            through = [e.mono_ns for e in opened if e.mono_ns >= syn.mono_ns]
            yield syn, began_ns, min([*through, until_ns])
    for event in opened:
        ends = [e.mono_ns for kind in _LETS_GO for e in of_link(trace, kind, event)]
        yield event, event.mono_ns, min([*ends, until_ns])


def _came_nowhere(trace: Trace, failure: Failure, target: str) -> Result:
    """What to say of a life that was not seen at the path to the target in the phase."""
    life = failure.ended.life
    name = trace.name(life)
    for kind, did in (("name.asked", "asked for its name"), ("gate.syn_seen", "went elsewhere")):
        found = observed(trace, kind, life=life, target=target)
        if own := [e for e in found if is_own(trace, e) and _is_in(e, failure)]:
            return refuted(f"{name} {did} and did not come to {target}", [*own, failure.ended])
    return saw_nothing(f"{name} was never seen to come to {target}", [failure.ended])


def _together_ns(spans: Iterable[tuple[int, int]]) -> int:
    """How long at least one of the spans lasted."""
    total_ns = until_ns = 0
    for begin_ns, end_ns in sorted(spans):
        total_ns += max(end_ns - max(begin_ns, until_ns), 0)
        until_ns = max(until_ns, end_ns)
    return total_ns


def _is_in(event: Event, failure: Failure) -> bool:
    return failure.began_ns <= event.mono_ns <= failure.until_ns

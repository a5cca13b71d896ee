"""Whether what a life sent to a target came there, as the proxy saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.failures import failures
from crashloop.checks.lives import observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.checks.failures import Failure
    from crashloop.trace.event import Event, Trace


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
        closed = _closed(trace, failure, target)
        if not closed:
            return saw_nothing(
                f"{name} was not seen to close a connection to {target}", [failure.ended]
            )
        got = [event for event in closed if event.data.get("first_byte_up_ns")]
        if bool(got) is not passed_on:
            did = "got what" if got else "got nothing of what"
            return refuted(f"{target} {did} {name} sent to it", [*(got or closed), failure.ended])
        evidence += got or closed
    did = "got what" if passed_on else "got nothing of what"
    return holds(f"{target} {did} {counted(len(failed), 'attempt')} sent to it", evidence)


def _closed(trace: Trace, failure: Failure, target: str) -> list[Event]:
    """The ends of the connections that the life opened in the phase."""
    life, began_ns, until_ns = failure.ended.life, failure.began_ns, failure.until_ns
    return [
        closed
        for opened in observed(trace, "link.opened", life=life, target=target)
        if is_own(trace, opened) and began_ns <= opened.mono_ns <= until_ns
        for closed in of_link(trace, "link.closed", opened)
    ]

"""In which state a server was, or its sessions, as it showed itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.failures import failures
from crashloop.checks.lives import observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Trace


def server_showed(
    trace: Trace, *, target: str, event: str, others: Sequence[str], phase: str | None = None
) -> Result:
    """The target showed events of this kind, and none of the `others`, which are other states.

    With a `phase`, it showed one while each life was in it that failed there, or was killed there;
    "" means their whole lives.
    """
    for other in others:
        if seen := observed(trace, other, target=target):
            return refuted(f"{target} showed {other}, not {event}", seen)
    shown = observed(trace, event, target=target)
    if not shown:
        return saw_nothing(f"{target} never showed {event}")
    failed = failures(trace, phase) if phase is not None else []
    if phase is not None and not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died", shown)
    for failure in failed:
        if not any(failure.began_ns <= each.mono_ns <= failure.until_ns for each in shown):
            name = trace.name(failure.ended.life)
            says = f"{name}: {target} did not show {event} during {failure.what}"
            return refuted(says, [failure.ended])
    return holds(f"{target} showed {event}: {counted(len(shown), 'event')}", shown)

"""The result of one check, whether it was required or expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.trace.event import CONTROL_FAILED, DEADLINE_PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.trace.event import Event, Trace

MAX_EVIDENCE = 12

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a check raises for values that no run records: a trace may have been edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`holds` is None if the check saw nothing to decide on; `evidence` are `seq` numbers."""

    holds: bool | None
    says: str
    evidence: tuple[int, ...] = ()


def holds(says: str, evidence: Iterable[Event]) -> Result:
    """The trace shows it."""
    return Result(holds=True, says=says, evidence=_seqs(evidence))


def refuted(says: str, evidence: Iterable[Event] = ()) -> Result:
    """The trace shows otherwise."""
    return Result(holds=False, says=says, evidence=_seqs(evidence))


def saw_nothing(says: str, evidence: Iterable[Event] = ()) -> Result:
    """The trace does not show enough to say."""
    return Result(holds=None, says=says, evidence=_seqs(evidence))


def not_seen(trace: Trace, says: str, evidence: Iterable[Event] = ()) -> Result:
    """The run ended without it, which refutes it unless the run was cut off.

    A slow machine may miss a deadline; what it did not reach is unknown. So is what a killed run
    would have reached, or one whose app did not start without a fault.
    """
    finished = trace.first("run.finished")
    if finished is None:
        return saw_nothing(f"{says}, as far as the trace goes", evidence)
    if finished.data.get("how") == CONTROL_FAILED:
        return saw_nothing(f"{says}, as no fault was tried", evidence)
    if finished.data.get("how") == DEADLINE_PASSED:
        return saw_nothing(f"{says}, when the run's deadline passed", [*evidence, finished])
    return refuted(says, evidence)


def _seqs(events: Iterable[Event]) -> tuple[int, ...]:
    return tuple(event.seq for event in events)[:MAX_EVIDENCE]

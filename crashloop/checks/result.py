"""What one check found, before anybody asks whether it was required or expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.trace.event import Event

MAX_EVIDENCE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`holds` is None where the check saw nothing to decide on; `evidence` are `seq` numbers."""

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


def _seqs(events: Iterable[Event]) -> tuple[int, ...]:
    return tuple(event.seq for event in events)[:MAX_EVIDENCE]

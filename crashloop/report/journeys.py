"""The journeys of a history, made from their events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.clean import clean
from crashloop.report.history import JourneySpan
from crashloop.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event

MAX_STEPS = 50


def journeys_of(events: Sequence[Event]) -> tuple[JourneySpan, ...]:
    """How far each replica's journey came, in order of the replicas; `events` are in order."""
    of_replica: dict[int, list[Event]] = {}
    for event in events:
        if event.kind in {"journey.step", "journey.waiting", "journey.failed"}:
            of_replica.setdefault(event.replica or 1, []).append(event)
    return tuple(_journey(replica, found) for replica, found in sorted(of_replica.items()))


def _journey(replica: int, events: Sequence[Event]) -> JourneySpan:
    steps: dict[int, str] = {}
    total, failed = 0, ""
    for event in events:
        total = max(total, count_of(event.data.get("of")))
        if event.kind == "journey.step":
            steps.setdefault(count_of(event.data.get("step")), clean(event.data.get("says", "?")))
        elif event.kind == "journey.failed":
            failed = failed or clean(event.data.get("why", "?"))
    return JourneySpan(
        replica=replica,
        steps=tuple(says for _, says in sorted(steps.items())[:MAX_STEPS]),
        total=total,
        failed=failed,
        waiting=_waiting([e for e in events if count_of(e.data.get("step")) not in steps]),
    )


def _waiting(events: Sequence[Event]) -> str:
    """Why the next step did not pass: the app's last answer, or else why it did not answer.

    An app that is being stopped fails to answer, which says nothing about what it did before.
    """
    found = [e for e in events if e.kind == "journey.waiting"]
    answered = [e for e in found if e.data.get("answered") is True]
    last = (answered or found)[-1:]
    return clean(last[0].data.get("why", "?")) if last else ""

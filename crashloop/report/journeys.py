"""The journeys of a history, made from their events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.model import CONTROL
from crashloop.report.clean import clean, number
from crashloop.report.history import JourneySpan, TrySpan
from crashloop.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_STEPS = 50
MAX_TRIES = 1000


def journeys_of(events: Sequence[Event]) -> tuple[JourneySpan, ...]:
    """How far each replica's journey came, in order of the replicas; `events` are in order."""
    of_replica: dict[int, list[Event]] = {}
    for event in events:
        if event.kind in {"journey.step", "journey.waiting", "journey.failed"}:
            of_replica.setdefault(event.replica or 1, []).append(event)
    return tuple(_journey(replica, found) for replica, found in sorted(of_replica.items()))


def tries_of(events: Sequence[Event], instants: Instants) -> tuple[TrySpan, ...]:
    """The tries of a journey, but that of the control life; `events` are in order."""
    tried = [e for e in events if e.kind == "journey.tried" and e.life != CONTROL]
    return tuple(
        TrySpan(
            replica=event.replica or 1,
            number=count_of(event.data.get("number")),
            at_s=instants.at_s(event),
            took_s=max(0.0, number(event.data.get("took_s")) or 0.0),
            passed=event.data.get("passed") is True,
            step=count_of(event.data.get("step")),
            why=clean(event.data.get("why") or ""),
        )
        for event in tried[:MAX_TRIES]
    )


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

"""The tries of the app's journey that a run made, whichever kind of journey it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.lives import observed, of_replicas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace


def has_journey(trace: Trace) -> bool:
    """Whether the app's entry has a journey."""
    return bool(_journey(trace).get("steps"))


def is_patient(trace: Trace) -> bool:
    """Whether there is one journey for the whole run, each step of which waits until it passes."""
    return _journey(trace).get("patient") is True


def tries_of(trace: Trace) -> list[Event]:
    """The tries of the journey, in order, each `passed` or not.

    A patient journey is tried once: its last step is a try that passed, and each record of a step
    that waits is a try that did not.
    """
    if not is_patient(trace):
        return of_replicas(trace, observed(trace, "journey.tried"))
    found = []
    for event in of_replicas(trace, observed(trace, "journey.step", "journey.waiting")):
        passed = event.kind == "journey.step"
        if not passed or event.data.get("step") == event.data.get("of"):
            found.append(replace(event, data={**event.data, "passed": passed}))
    return found


def _journey(trace: Trace) -> Mapping[str, Any]:
    return (trace.scenario.get("app") or {}).get("journey") or {}

"""The user of each replica: watches its port, asks whether it is ready, takes its journey."""

from __future__ import annotations

from crashloop.journey.draw import Draw, Draws, journey_key
from crashloop.journey.pace import scaled
from crashloop.journey.patient import PatientJourney
from crashloop.journey.pause import pause
from crashloop.journey.step import StepError, User, filled, named, take_within
from crashloop.journey.tries import Tries, TryCount
from crashloop.journey.visitor import Visitor

__all__ = [
    "Draw",
    "Draws",
    "PatientJourney",
    "StepError",
    "Tries",
    "TryCount",
    "User",
    "Visitor",
    "filled",
    "journey_key",
    "named",
    "pause",
    "scaled",
    "take_within",
]

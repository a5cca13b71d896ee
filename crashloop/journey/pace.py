"""How long a step may take in a scaled run, and how soon what goes on failing is tried again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.clock import TimeScale
    from crashloop.model import Journey

# Chosen: many times what a request takes on a busy machine, and a quarter of the 4.5 s that a fault
# of 90 s lasts at a time scale of 20, so that several tries begin and end under it.
MIN_STEP_S = 1.0
SLOWER = 3.0
"""How much longer than without a fault a step's own work may take on a busy machine. Chosen."""

# Each request that fails may print a traceback of up to 200 lines, and 20,000 lines are kept of a
# life. With this share they are enough for ten minutes of requests that fail at once, and for 90 s
# of a step that is asked again and again within its 5 s.
SHARE = 0.1


def scaled(journey: Journey, scale: TimeScale, *, longest_s: float) -> Journey:
    """The journey with the time that each of its steps has in a run at this scale.

    `within_s` is the incident's time and is divided by the scale. What the app computes takes as
    long at every scale, so a step keeps at least 1 s, and three times the `longest_s` that a step
    has taken without a fault, if its entry gives it as much.
    """
    if scale.is_real_time:
        return journey
    least_s = max(MIN_STEP_S, SLOWER * longest_s)

    def within_s(given_s: float) -> float:
        return min(given_s, round(max(scale.wall_s(given_s), least_s), 2))

    steps = (replace(step, within_s=within_s(step.within_s)) for step in journey.steps)
    return replace(journey, steps=tuple(steps))


class Pace:
    """When something that goes on failing is worth another try.

    The next one is due after `pause_s`, or after a tenth of the time for which it has failed if
    that is longer; and at once when the `state` in which it failed has changed.
    """

    def __init__(self, *, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self._state: object = None
        self._since_s = 0.0
        self._due_s = 0.0

    def tried(self, state: object, *, passed: bool) -> None:
        """Take note of a try that has ended in this state."""
        now_s = time.monotonic()
        if passed or state != self._state:
            self._state, self._since_s = state, now_s
        self._due_s = now_s + max(self._pause_s, SHARE * (now_s - self._since_s))

    def is_due(self, state: object) -> bool:
        """Whether the next try is due in this state."""
        return state != self._state or time.monotonic() >= self._due_s

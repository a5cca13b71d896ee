"""Whether all planned faults were on and are healed, by what a run recorded, and what follows."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.platforms import longest_backoff_s

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.clock import TimeScale
    from crashloop.model import PlannedFault, Scenario
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder

STARTS = 3
SLACK_S = 10.0


class Healing:
    """Follows the faults of a run: `healed_since_ns` is when the last of them was healed.

    It is None while one is on, or has not been on yet, or comes again in the next life. Without
    faults it is the instant at which this was made.
    """

    def __init__(self, faults: Iterable[PlannedFault], recorder: Recorder) -> None:
        self._planned = {fault.name: fault for fault in faults}
        self._missing = {*self._planned}
        self._on: set[str] = set()
        self._injections: Counter[str] = Counter()
        self._healed = asyncio.Event()
        self.healed_since_ns: int | None = None
        if not self._missing:
            self._since(time.monotonic_ns())
        recorder.subscribe(self._on_event)

    @property
    def is_healed(self) -> bool:
        """Whether every planned fault was on, and none is."""
        return self.healed_since_ns is not None

    async def passed(self, wall_s: float) -> None:
        """Wait until the last heal was so many wall seconds ago."""
        while True:
            await self._healed.wait()
            since_ns = self.healed_since_ns
            assert since_ns is not None
            await asyncio.sleep(max(since_ns / NS_PER_S + wall_s - time.monotonic(), 0.0))
            if self.healed_since_ns == since_ns:
                return

    def _on_event(self, event: Event) -> None:
        name = str(event.data.get("fault"))
        if event.kind == "fault.injected":
            self._injections[name] += 1
            self._missing.discard(name)
            self._on.add(name)
            self.healed_since_ns = None
            self._healed.clear()
        elif event.kind == "fault.healed":
            self._on.discard(name)
            if self._comes_again(name, event):
                self._missing.add(name)
            if not self._on and not self._missing:
                self._since(event.mono_ns)

    def _comes_again(self, name: str, healed: Event) -> bool:
        """Whether a death has healed a fault that the next life meets again."""
        planned = self._planned[name]
        by_death = str(healed.data.get("trigger")).startswith("process.exited")
        times = len(planned.inject.first_of)
        return planned.each_life and by_death and self._injections[name] < times

    def _since(self, mono_ns: int) -> None:
        self.healed_since_ns = mono_ns
        self._healed.set()


def recovery_wall_s(scenario: Scenario, scale: TimeScale, *, start_s: float) -> float:
    """How many wall seconds after the last heal the app has to serve its users again.

    `start_s` is how long the control life took until it was ready. What the entry allows, or the
    platform's longest back-off, is the incident's time and is scaled; the starts are real work and
    come on top of it: three of them and 10 s. In real time, what the entry says is all.
    """
    given_s = scenario.app.recover_within_s
    if given_s and scale.is_real_time:
        return given_s
    waits_s = given_s or longest_backoff_s(scenario.platform)
    return scale.wall_s(waits_s) + slack_s(start_s)


def slack_s(start_s: float) -> float:
    """Wall seconds for an app's starts of `start_s` each: three of them and 10 s."""
    return STARTS * start_s + SLACK_S

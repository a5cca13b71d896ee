"""How long a run may take, from its scenario and from how long the app takes to start. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from crashloop.apps import knobs_used
from crashloop.journey import scaled
from crashloop.model import Moment, Trigger
from crashloop.platforms import step_of
from crashloop.platforms.base import Exit, State

if TYPE_CHECKING:
    from crashloop.clock import TimeScale
    from crashloop.model import PlannedFault, Platform, Scenario

# Wall seconds of a run besides its faults: servers, the control life, the end.
OVERHEAD_S = 3.0
JOURNEY_S = 1.0
# Answers of a dependency that a start, or a try of the journey, waits for. Chosen.
ANSWERS = 5

HANGS = frozenset(
    {
        *("hold", "slow_connect", "black_hole", "connect_delay", "timeout"),
        *("paused", "slow_query", "lock_orphaned", "cache_silent"),
    }
)
NEVER_READY = frozenset({"other_port", "loopback_only"})
"""Faults under which nobody finds the app ready, so that each life lasts until a probe kills it."""

OUTLIVED = frozenset(
    {
        *("latency", "bandwidth", "slicer", "slow_close", "revision_change"),
        *("many_workers", "memory_limit", "read_only_files", "image_older"),
    }
)
"""Faults that an app may well outlive, so that they last until their latest heal."""
LIMIT = "limit_s"


def expected_s(scenario: Scenario, scale: TimeScale, start_s: float) -> float:
    """Wall seconds of a run of an app that takes `start_s` wall seconds to start.

    Where nothing says what the app does, it hangs where its dependency does, until its own limit if
    crashloop knows it, and else dies at once.
    """
    faults = [
        _Guess(scenario=scenario, scale=scale, start_s=start_s, fault=each)
        for each in scenario.faults
    ]
    lasts_s = sum(each.lasts_s() for each in faults)
    bounded_s = min(lasts_s, scale.wall_s(scenario.deadline_s))
    return OVERHEAD_S + bounded_s + start_s + JOURNEY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """What the app may do under one fault; all results are wall seconds."""

    scenario: Scenario
    scale: TimeScale
    start_s: float
    fault: PlannedFault

    def lasts_s(self) -> float:
        """From when the fault could be injected until it is healed."""
        return self._part_s(self.fault.inject, is_heal=False) + self._part_s(self.fault.heal)

    def _part_s(self, part: Moment | Trigger, *, is_heal: bool = True) -> float:
        if isinstance(part, Trigger):
            found = [self._part_s(each, is_heal=is_heal) for each in part.first_of or part.all_of]
            return min(found) if part.first_of else max(found)
        return self.scale.wall_s(part.after_s) + self._event_s(part, is_heal=is_heal)

    def _event_s(self, moment: Moment, *, is_heal: bool) -> float:
        """Until the event of the moment comes, with the fault on if `is_heal`."""
        if moment.on == "process.exited":
            attempt = moment.where.get("attempt")
            return self._deaths_s(int(attempt)) if attempt else inf
        if moment.on in {"ready.answered", "journey.step"}:
            is_away = is_heal and self.fault.kind not in OUTLIVED
            return inf if is_away else self.start_s + is_heal * self._slow_s()
        if moment.where.get("plugged") is False:  # only the unplugged run of a proof has it
            return inf
        if moment.on == "restart.gave_up":
            most = self.scenario.platform.restart.max_restarts
            return self._deaths_s(most + 1) if most else inf
        if moment.on == "journey.tried":
            return self._failed_try_s() if is_heal else self.start_s
        return 0.0

    def _deaths_s(self, number: int) -> float:
        """Until so many lives have died, with the back-offs between them."""
        if self.fault.kind in OUTLIVED:
            return inf
        life_s = self.start_s + (self._hangs_s() if self.fault.kind in HANGS | NEVER_READY else 0.0)
        backoffs = _backoffs_s(self.scenario.platform, number - 1)
        return number * life_s + self.scale.wall_s(backoffs)

    def _hangs_s(self) -> float:
        """How long a start hangs: until the app's own limit, if that ends it, or a probe."""
        app, platform = self.scenario.app, self.scenario.platform
        probe = platform.startup or platform.liveness
        is_known = LIMIT in knobs_used(app) and self.fault.kind not in NEVER_READY
        limit_s = float(app.knobs[LIMIT]) if is_known else inf
        probe_s = probe.delay_s + probe.period_s * probe.failures if probe else inf
        return self.scale.wall_s(min(limit_s, probe_s)) if min(limit_s, probe_s) < inf else inf

    def _failed_try_s(self) -> float:
        """Until a try of the journey fails: at its step's own bound, where the dependency hangs."""
        if self.fault.kind in OUTLIVED:
            return inf
        journey = scaled(self.scenario.app.journey, self.scale, longest_s=0.0)
        within_s = max((step.within_s for step in journey.steps), default=0.0)
        return min(within_s, self._hangs_s()) if self.fault.kind in HANGS else JOURNEY_S

    def _slow_s(self) -> float:
        return self.scale.wall_s(ANSWERS * float(self.fault.params.get("latency_s", 0.0)))


def _backoffs_s(platform: Platform, number: int) -> float:
    """The sum of the first back-offs, in seconds of the incident."""
    step, state, total_s = step_of(platform), State(), 0.0
    for died in range(1, number + 1):
        ended = Exit(status=1, run_s=1.0, at_s=total_s + died, draw=0.5)
        state, decision = step(state, ended)
        total_s += decision.backoff_s
    return total_s

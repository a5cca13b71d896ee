"""The runs of a command that makes many of them on the local engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.commands.options import read_scale
from crashloop.engines.local import LocalEngine
from crashloop.preflight import require_runnable
from crashloop.preflight.capacity import processors

if TYPE_CHECKING:
    from crashloop.clock import TimeScale
    from crashloop.model import Scenario

# Runs in real time mostly wait: four of them load two processors less than two scaled ones.
REAL_TIME_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRuns:
    """The options of such a command; `jobs` 0 is chosen here."""

    real_time: bool = False
    jobs: int = 0

    def at_once(self, scale: float) -> int:
        """How many runs of a time scale are made at once."""
        usual = processors() * (REAL_TIME_FACTOR if scale == 1 else 1)
        return self.jobs or usual

    def scale(self, ordinary: float) -> TimeScale:
        """The time scale of a run whose ordinary one this is."""
        return read_scale(None, real_time=self.real_time, ordinary=ordinary)

    def require(self, scenario: Scenario, scale: TimeScale) -> None:
        """Raise CapabilityError for what this machine cannot run, UsageError for a mistake."""
        require_runnable(scenario, scale, LocalEngine)

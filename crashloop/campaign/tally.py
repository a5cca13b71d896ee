"""The trials of an arm, and the rates that the counted ones show. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from crashloop.campaign.sample import Sample
from crashloop.model import Verdict
from crashloop.model.comparison import Recovery

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from crashloop.campaign.measure import Measured

    Of: TypeAlias = Callable[[Measured], tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The trials of one arm that have ended: from the first on, without a gap."""

    trials: tuple[Measured, ...] = ()

    def first(self, trials: int) -> Tally:
        """The first so many trials."""
        return Tally(trials=self.trials[:trials])

    def until_counted(self, trials: int) -> Tally:
        """The first trials of which so many count; all, if there are not so many."""
        counted = accumulate(each.counts for each in self.trials)
        ends = (n for n, so_far in enumerate(counted, 1) if so_far == trials)
        return self.first(next(ends, len(self.trials)))

    @property
    def counted(self) -> tuple[Measured, ...]:
        """The trials that count."""
        return tuple(each for each in self.trials if each.counts)

    @property
    def inconclusive(self) -> tuple[Measured, ...]:
        """Those that say nothing, for whatever reason."""
        return tuple(each for each in self.trials if each.inconclusive)

    def sample(self, name: str) -> Sample:
        """What the counted trials say about the rate of this name; KeyError for another."""
        of = RATES[name]
        return Sample(trials=tuple(of(each) for each in self.counted))

    @property
    def recovery(self) -> Recovery:
        """Median and 90th percentile over the replicas of the counted trials.

        They are times that some replica took (the nearest rank). A replica that was not ready
        again counts as slower than all others.
        """
        found = [math.inf if s is None else s for each in self.counted for s in each.recovery_s]
        return Recovery(median=_quantile(found, 0.5), p90=_quantile(found, 0.9))

    @property
    def connections_peak(self) -> int | None:
        """The most sessions at once in any counted trial; None if no database said so."""
        found = [each.connections_peak for each in self.counted]
        return max((peak for peak in found if peak is not None), default=None)


RATES: dict[str, Of] = {
    "success": lambda trial: (trial.lives_ready, trial.lives_started),
    "phase_failure": lambda trial: (trial.phase_failed, trial.phase_entered),
    "loops": lambda trial: (int(trial.loop), 1),
    "golden_path": lambda trial: trial.golden_path,
    "reproduced": lambda trial: (int(trial.verdict is Verdict.REPRODUCED), 1),
}
"""How many of how many each trial has, for each name of a criterion."""


def _quantile(values: list[float], share: float) -> float | None:
    """The smallest value that `share` of all do not exceed; None if there is none or no end."""
    if not values:
        return None
    found = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
    return found if math.isfinite(found) else None

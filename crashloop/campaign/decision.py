"""What the trials of an arm decide, look by look. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.campaign.criterion import REPRODUCED
from crashloop.campaign.interval import lower, upper
from crashloop.campaign.looks import looks_until
from crashloop.model.comparison import CriterionResult, Met, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.campaign.looks import Look
    from crashloop.campaign.tally import Tally
    from crashloop.model.comparison import Criterion

MOST_TRIALS = 1_000_000
"""More than anybody runs: if so many would not decide a criterion, no number would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The results of an arm, in the order of its criteria, after so many of its `trials`.

    `reproduced` is None for an arm with a remedy, of which nobody asks it.
    """

    trials: int
    results: tuple[CriterionResult, ...]
    reproduced: Met | None = None

    @property
    def result(self) -> Met:
        """`not_met` if one criterion is not met, `met` if all are."""
        return together([each.result for each in self.results])

    @property
    def is_final(self) -> bool:
        """Whether further trials would change nothing."""
        return Met.NOT_ENOUGH_TRIALS not in {self.result, self.reproduced}


def decide_so_far(
    tally: Tally,
    criteria: Sequence[Criterion],
    looks: Sequence[Look],
    *,
    needs_outage: bool = False,
) -> Decision:
    """What an arm's trials decide: look after look, until one is final or no trial is left.

    `tally` has the trials from the first on, without a gap, so it does not matter in which order
    they ended. A criterion that was decided at a look stays as it is. Between two looks nothing is
    decided. Where fewer trials count than a look asks for, it is made when no trial is left.
    `needs_outage`: the arm is the one without a remedy, which must show the outage.
    """
    asked = (*criteria, REPRODUCED) if needs_outage else tuple(criteria)
    found = [Met.NOT_ENOUGH_TRIALS] * len(asked)
    for look in looks:
        seen = tally.until_counted(look.trials)
        if len(seen.counted) < look.trials and len(tally.trials) < looks[-1].trials:
            break
        found = [
            _met(seen, each, look, len(criteria)) if old is Met.NOT_ENOUGH_TRIALS else old
            for old, each in zip(found, asked, strict=True)
        ]
        decision = _decision(seen, criteria, found, looks)
        if decision.is_final:
            return decision
    return _decision(tally, criteria, found, looks)


def trials_needed(tally: Tally, criterion: Criterion, looks: Sequence[Look]) -> int | None:
    """How many trials would decide the criterion at the rate that was observed.

    So many would bring it to one of the looks that are still to come, or beyond the last one. None
    if no number would: the rate is that of the criterion, or nothing was counted yet.
    """
    sample = tally.sample(criterion.name)
    if not sample.size:
        return None

    counted = len(tally.counted)

    def is_decided(trials: int, error: float) -> bool:
        worth = sample.size_after(trials / counted)
        shown = _shown((sample.rate or 0.0) * worth, worth, criterion, error, error)
        return shown is not Met.NOT_ENOUGH_TRIALS

    def made(trials: int) -> int:
        # As large a part of them would not count
        return math.ceil(trials * len(tally.trials) / counted)

    for look in looks:
        if look.trials > counted and is_decided(look.trials, look.error):
            return made(look.trials)

    def would_decide(trials: int) -> bool:
        return is_decided(trials, looks_until(trials)[-1].error)

    least = most = max(looks[-1].trials, counted) + 1
    while not would_decide(most):
        if most >= MOST_TRIALS:
            return None
        most = min(2 * most, MOST_TRIALS)
    return made(least + bisect_left(range(least, most), x=True, key=would_decide))


def _decision(
    tally: Tally, criteria: Sequence[Criterion], found: Sequence[Met], looks: Sequence[Look]
) -> Decision:
    results = [
        CriterionResult(
            name=each.name,
            result=met,
            trials_needed=trials_needed(tally, each, looks)
            if met is Met.NOT_ENOUGH_TRIALS
            else None,
        )
        for each, met in zip(criteria, found, strict=False)
    ]
    reproduced = found[-1] if len(found) > len(criteria) else None
    return Decision(trials=len(tally.trials), results=tuple(results), reproduced=reproduced)


def _met(tally: Tally, criterion: Criterion, look: Look, criteria: int) -> Met:
    sample = tally.sample(criterion.name)
    if not sample.size:
        return Met.NOT_ENOUGH_TRIALS
    k = (sample.rate or 0.0) * sample.size
    return _shown(k, sample.size, criterion, look.error, look.error / criteria)


def _shown(k: float, n: float, criterion: Criterion, error: float, error_to_reject: float) -> Met:
    """What `k` of `n` independent lives show.

    One criterion is enough to reject an arm, so the error to reject is the look's divided by the
    number of criteria. To accept it, all must be met, so each may use the whole.
    """
    more = criterion.wants_more
    low = lower(k, n, error if more else error_to_reject)
    high = upper(k, n, error_to_reject if more else error)
    if low > criterion.value:
        return Met.MET if more else Met.NOT_MET
    if high < criterion.value:
        return Met.NOT_MET if more else Met.MET
    return Met.NOT_ENOUGH_TRIALS

"""A rate from trials: how many of how many in each, and what they are worth together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FEW_TRIALS = 45
"""Fewer trials do not show how alike the lives of one are. Chosen: 50, of which 5 do not count."""

LIVES_OF_A_TRIAL = 2
"""A trial of many counts for at most so many independent lives: the replicas of a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`k` of `n` in each trial; a trial with nothing to count has no part in it.

    The lives of a trial meet the same schedule, so they are more alike than lives of different
    trials. `size` is how many independent lives would tell as much as all of these: `n` over the
    design effect of Rao and Scott (Biometrics 48, 1992) with the trials as clusters, which is never
    below 1. It is at most one for each trial where there are few, else at most two.
    """

    trials: tuple[tuple[int, int], ...]

    @property
    def k(self) -> int:
        """How many in all."""
        return sum(k for k, _ in self.trials)

    @property
    def n(self) -> int:
        """Of how many in all."""
        return sum(n for _, n in self.trials)

    @property
    def rate(self) -> float | None:
        """The share; None if there is nothing to count."""
        return self.k / self.n if self.n else None

    @property
    def clusters(self) -> int:
        """How many trials have something to count."""
        return sum(n > 0 for _, n in self.trials)

    @property
    def design_effect(self) -> float:
        """How many times larger the variance of the rate is than that of independent lives.

        1 where every life ended alike: nothing shows then how alike the lives of a trial are.
        """
        rate, clusters = self.rate, self.clusters
        if rate is None or rate in {0.0, 1.0} or clusters < 2:  # noqa: PLR2004  a variance of one
            return 1.0
        squares = sum((k - rate * n) ** 2 for k, n in self.trials)
        variance = clusters / (clusters - 1) * squares / self.n**2
        return max(variance / (rate * (1 - rate) / self.n), 1.0)

    @property
    def size(self) -> float:
        """How many independent lives would tell as much."""
        return self.size_after(1.0)

    def size_after(self, times: float) -> float:
        """The same for so many times as many trials like these."""
        clusters = times * self.clusters
        of_trial = 1 if clusters < FEW_TRIALS else LIVES_OF_A_TRIAL
        return min(times * self.n / self.design_effect, of_trial * clusters)

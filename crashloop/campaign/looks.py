"""When a campaign looks at its trials, and how much error each look may make. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

AT = (10, 20, 50, 100)
ERROR = 0.05
"""The error of one criterion over all looks together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """After so many `trials` that count an arm is looked at; a decision may be wrong by `error`."""

    trials: int
    error: float


def looks_until(trials: int) -> tuple[Look, ...]:
    """The looks of an arm with at most so many trials, if all of them count.

    The error is spent in proportion to the trials that a look adds: the linear spending function of
    Lan and DeMets (Biometrika 70, 1983). Few trials then decide only what is far from its bound. By
    Bonferroni's inequality some look decides wrongly with at most the sum.
    """
    at = [*(each for each in AT if each < trials), trials]
    return tuple(
        Look(trials=each, error=ERROR * (each - before) / trials)
        for before, each in pairwise([0, *at])
    )


LOOKS = looks_until(AT[-1])
"""The looks of an arm with 100 trials, with errors of 0.5, 0.5, 1.5 and 2.5 %."""

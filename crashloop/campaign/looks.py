"""When a campaign looks at its trials, and how much error each look may make. Pure."""

from __future__ import annotations

from dataclasses import dataclass

AT = (10, 20, 50, 100)
ERROR = 0.05
"""The error of one criterion over all looks together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """After so many `trials` an arm is looked at; each decision may then be wrong by `error`."""

    trials: int
    error: float


def looks_until(trials: int) -> tuple[Look, ...]:
    """The looks of an arm with at most so many trials: the last one is after the last trial.

    The error is split equally (Bonferroni): whatever happens at one look, the probability that
    some look decides wrongly is at most the sum.
    """
    at = [*(each for each in AT if each < trials), trials]
    return tuple(Look(trials=each, error=ERROR / len(at)) for each in at)


LOOKS = looks_until(AT[-1])
"""The looks of an arm with 100 trials, each with an error of 1.25 %."""

"""Intervals for a rate: Wilson's is shown, the exact one decides. Pure.

`k` of `n` need not be whole numbers: where trials are not independent, both are divided by the
design effect (Korn and Graubard, Survey Methodology 24, 1998).
"""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri

CONFIDENCE = 0.95
"""The confidence of an interval that is shown."""


def wilson(k: float, n: float) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927), which never leaves 0 to 1; `n` is above 0."""
    z = float(ndtri((1 + CONFIDENCE) / 2))
    rate, shrink = k / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / shrink
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / shrink
    low = 0.0 if k <= 0 else max(middle - half, 0.0)
    high = 1.0 if k >= n else min(middle + half, 1.0)
    return low, high


def lower(k: float, n: float, error: float) -> float:
    """The exact lower bound (Clopper and Pearson, 1934): above the rate with at most this error."""
    return 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, error))


def upper(k: float, n: float, error: float) -> float:
    """The exact upper bound: below the rate with at most this error."""
    return 1.0 if k >= n else float(betaincinv(k + 1, n - k, 1 - error))

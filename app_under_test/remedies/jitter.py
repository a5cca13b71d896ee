"""Full jitter: how long to wait before another try.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015): the pause is
random(0, min(cap, base * 2 ** tries)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

MAX_DOUBLINGS = 20


def bound_s(tries: int, *, first_s: float, longest_s: float) -> float:
    """Return the longest pause after this many tries: it doubles with each, up to `longest_s`."""
    doublings = min(tries - 1, MAX_DOUBLINGS)
    return min(longest_s, first_s * 2.0**doublings)


def pause_s(draw: Random, tries: int, *, first_s: float, longest_s: float) -> float:
    """Draw a pause from 0 to its bound."""
    return draw.uniform(0.0, bound_s(tries, first_s=first_s, longest_s=longest_s))

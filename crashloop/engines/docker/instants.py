"""Instants of the wall clock, converted to the monotonic clock that orders a trace."""

from __future__ import annotations

import time

_TRIES = 5


def mono_ns(time_ns: int) -> int:
    """Convert a recent instant of this machine's wall clock to its monotonic clock.

    The clocks cannot be read at once: of a few pairs of readings the closest pair counts.
    """
    best_ns, offset_ns = 0, 0
    for number in range(_TRIES):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        between_ns = time.monotonic_ns() - before_ns
        if not number or between_ns < best_ns:
            best_ns, offset_ns = between_ns, before_ns + between_ns // 2 - wall_ns
    return time_ns + offset_ns

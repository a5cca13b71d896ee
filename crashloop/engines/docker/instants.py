"""Instants of the wall clock on the monotonic one, by which a trace is ordered."""

from __future__ import annotations

import time

_TRIES = 5


def mono_ns(time_ns: int) -> int:
    """An instant of a moment ago, told by this machine's wall clock, on its monotonic clock.

    The two clocks cannot be read at once: of a few readings the one with the least between counts.
    """
    best_ns, offset_ns = 0, 0
    for number in range(_TRIES):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        between_ns = time.monotonic_ns() - before_ns
        if not number or between_ns < best_ns:
            best_ns, offset_ns = between_ns, before_ns + between_ns // 2 - wall_ns
    return time_ns + offset_ns

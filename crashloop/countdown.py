"""Seconds of the incident until something is due."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.clock import TimeScale


class Countdown:
    """Seconds of the incident until something is due; pauses while its replica is restarting.

    A restart's real work (process, imports) takes as long in a scaled run as in the incident, so
    counting it twenty-fold would let "90 s after" come before its time. In real time, and
    `through_restarts`, it never pauses. `replica` is that of the event from which it counts; with
    None, any restart pauses it. Instants are of the monotonic clock, and may lie in the past.
    """

    def __init__(
        self,
        due_in_s: float,
        *,
        scale: TimeScale,
        replica: int | None,
        fire: Callable[[], None],
        through_restarts: bool = False,
    ) -> None:
        self._remaining_s = scale.wall_s(due_in_s)
        self._may_pause = not (scale.is_real_time or through_restarts)
        self._replica = replica
        self._fire = fire
        self._timer: asyncio.TimerHandle | None = None
        self._running_since_ns = 0

    def run(self, replica: int | None, since_ns: int) -> None:
        """Count from this instant; does nothing while it counts already."""
        if self._timer is None and self._replica in {None, replica}:
            passed_s = (time.monotonic_ns() - since_ns) / NS_PER_S
            self._running_since_ns = since_ns
            self._timer = asyncio.get_running_loop().call_later(
                max(self._remaining_s - passed_s, 0), self._fire
            )

    def pause(self, replica: int | None, at_ns: int) -> None:
        """Stop counting until `run`, unless it was due before this instant."""
        if self._timer is None or self._replica not in {None, replica}:
            return
        counted_ns = max(at_ns - self._running_since_ns, 0)
        left_s = self._remaining_s - counted_ns / NS_PER_S
        if self._may_pause and left_s > 0:
            self.cancel()
            self._timer = None
            self._remaining_s = left_s

    def cancel(self) -> None:
        """Never fire."""
        if self._timer is not None:
            self._timer.cancel()

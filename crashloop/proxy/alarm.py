"""A timer that is never early."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SHORTEST_WAIT_S = 0.001


class Alarm:
    """Calls back once, at `due_ns` of the monotonic clock or later, unless cancelled.

    Loops may call early (uvloop's clock ticks in milliseconds); the alarm checks and waits again.
    """

    __slots__ = ("_callback", "_handle", "_loop", "due_ns")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, due_ns: int, callback: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self.due_ns = due_ns
        self._handle = self._arm()

    def cancel(self) -> None:
        """Forget the call; harmless after it has happened."""
        self._handle.cancel()

    def _arm(self) -> asyncio.TimerHandle:
        remaining_s = (self.due_ns - time.monotonic_ns()) / 1e9
        return self._loop.call_later(max(remaining_s, _SHORTEST_WAIT_S), self._fire)

    def _fire(self) -> None:
        if time.monotonic_ns() < self.due_ns:
            self._handle = self._arm()
        else:
            self._callback()

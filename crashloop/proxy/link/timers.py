"""Timers that are never early, and late by a fraction of a millisecond where Linux helps.

An event loop's own timers tick in milliseconds: late by 1.1 ms at p99 and, on uvloop, up to
0.86 ms early. A timerfd that the loop reads is late by 0.2 ms at p99, most of which a sleeping
processor takes to wake up. So it expires a moment early, and the loop turns until it is time.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SHORTEST_WAIT_S = 0.001
_LEAD_NS = 250_000
_TIDY_FROM = 64


class Timer:
    """One pending call."""

    __slots__ = ("_timers", "callback", "due_ns")

    def __init__(self, timers: Timers, due_ns: int, callback: Callable[[], None]) -> None:
        self._timers = timers
        self.due_ns = due_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Cancel the call; harmless after it was made."""
        if self.callback is not None:
            self.callback = None
            self._timers.count_cancelled()


class Timers:
    """Make each call once, at `due_ns` of the monotonic clock or later, on the running loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._loop = loop
        self._wake_up = _wake_up(loop, self._expire)
        self._set_ns: int | None = None
        self._expiring = False
        self._turning = False

    def at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `due_ns`."""
        timer = Timer(self, due_ns, callback)
        heapq.heappush(self._heap, (due_ns, next(self._numbers), timer))
        if not self._expiring:
            self._set()
        return timer

    def close(self) -> None:
        """Cancel every call."""
        self._heap.clear()
        self._wake_up.close()

    def count_cancelled(self) -> None:
        """Count a cancelled timer; when most are cancelled, remove them from the heap."""
        self._cancelled += 1
        if self._cancelled > max(_TIDY_FROM, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _set(self) -> None:
        """Set the wake-up for the first timer, or keep the loop turning if that is near."""
        if not self._heap or self._turning:
            return
        due_ns = self._heap[0][0]
        if due_ns - time.monotonic_ns() <= _LEAD_NS:
            self._turning = True
            self._loop.call_soon(self._turn)
        elif due_ns != self._set_ns:
            self._set_ns = due_ns
            self._wake_up.set(due_ns - _LEAD_NS)

    def _turn(self) -> None:
        self._turning = False
        self._expire()

    def _expire(self) -> None:
        self._set_ns = None
        self._expiring = True
        try:
            while self._heap and self._heap[0][0] <= time.monotonic_ns():
                timer = heapq.heappop(self._heap)[2]
                callback, timer.callback = timer.callback, None
                if callback is None:
                    self._cancelled -= 1
                else:
                    callback()
        finally:
            self._expiring = False
            self._set()


class _LoopTimer:
    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due_ns: int) -> None:
        self.close()
        wait_s = (due_ns - time.monotonic_ns()) / NS_PER_S
        self._handle = self._loop.call_later(max(wait_s, _SHORTEST_WAIT_S), self._expire)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _TimerFd:
    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._descriptor = timerfd_create()
        loop.add_reader(self._descriptor, self._on_readable)

    def set(self, due_ns: int) -> None:
        timerfd_set(self._descriptor, due_ns)

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _on_readable(self) -> None:
        with suppress(BlockingIOError):  # set again since it expired
            os.read(self._descriptor, 8)
        self._expire()


if sys.platform == "linux":
    from crashloop.proxy.kernel.timerfd import timerfd_create, timerfd_set


def _wake_up(loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> _TimerFd | _LoopTimer:
    if sys.platform == "linux":
        with suppress(OSError):  # no descriptor left, or a sandbox without timerfd
            return _TimerFd(loop, expire)
    return _LoopTimer(loop, expire)

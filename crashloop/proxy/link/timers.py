"""Timers that are never early, and late by a fraction of a millisecond where Linux helps.

An event loop's own timers tick in milliseconds: late by 1.1 ms at p99 and, on uvloop, up to
0.86 ms early. A timerfd that the loop reads is late by 0.2 ms at p99, most of which a sleeping
processor takes to wake up: so it rings a moment before, and the loop turns until it is time.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SHORTEST_WAIT_S = 0.001
_LEAD_NS = 250_000
_TIDY_FROM = 64


class Timer:
    """One call to come."""

    __slots__ = ("_timers", "callback", "due_ns")

    def __init__(self, timers: Timers, due_ns: int, callback: Callable[[], None]) -> None:
        self._timers = timers
        self.due_ns = due_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the call; harmless after it has happened."""
        if self.callback is not None:
            self.callback = None
            self._timers.forgotten()


class Timers:
    """Calls back once each, at `due_ns` of the monotonic clock or later, on the running loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
        self._forgotten = 0
        self._loop = loop
        self._wake_up = _wake_up(loop, self._ring)
        self._set_ns: int | None = None
        self._ringing = False
        self._turning = False

    def at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back at `due_ns`."""
        timer = Timer(self, due_ns, callback)
        heapq.heappush(self._heap, (due_ns, next(self._numbers), timer))
        if not self._ringing:
            self._set()
        return timer

    def close(self) -> None:
        """Forget every call."""
        self._heap.clear()
        self._wake_up.close()

    def forgotten(self) -> None:
        """Count a cancelled timer; when most are, they are swept out of the heap."""
        self._forgotten += 1
        if self._forgotten > max(_TIDY_FROM, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._forgotten = 0

    def _set(self) -> None:
        """See to it that the wake-up is set for the first timer, or stay awake where it is near."""
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
        self._ring()

    def _ring(self) -> None:
        self._set_ns = None
        self._ringing = True
        try:
            while self._heap and self._heap[0][0] <= time.monotonic_ns():
                timer = heapq.heappop(self._heap)[2]
                callback, timer.callback = timer.callback, None
                if callback is None:
                    self._forgotten -= 1
                else:
                    callback()
        finally:
            self._ringing = False
            self._set()


class WakeUp(Protocol):
    """Rings once at about the instant it was last set to; early does no harm."""

    def set(self, due_ns: int) -> None:
        """Ring then, and not when it was set to before."""

    def close(self) -> None:
        """Never ring again."""


class _LoopTimer:
    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due_ns: int) -> None:
        self.close()
        wait_s = (due_ns - time.monotonic_ns()) / NS_PER_S
        self._handle = self._loop.call_later(max(wait_s, _SHORTEST_WAIT_S), self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _TimerFd:
    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._descriptor = timerfd_create()
        loop.add_reader(self._descriptor, self._on_readable)

    def set(self, due_ns: int) -> None:
        timerfd_set(self._descriptor, due_ns)

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _on_readable(self) -> None:
        with suppress(BlockingIOError):  # set anew since it rang
            os.read(self._descriptor, 8)
        self._ring()


if sys.platform == "linux":
    from crashloop.proxy.kernel.timerfd import timerfd_create, timerfd_set


def _wake_up(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> WakeUp:
    if sys.platform == "linux":
        with suppress(OSError):  # no descriptor left, or a sandbox without timerfd
            return _TimerFd(loop, ring)
    return _LoopTimer(loop, ring)

"""Busy polling for the next small chunk: waking a sleeping process costs more than a copy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

SMALL_BYTES = 64 * 1024
"""Larger chunks follow each other anyway; polling after them cost 8 % of a transfer."""

_STAY_NS = 50_000
_CROWDED_NS = 1_000_000
_PAUSE_NS = 50_000_000
_TRUST = 8


class BusyPoll:
    """Keep the loop turning for up to 50 us after a small chunk, while that pays.

    It pays if the answer comes within that time; answers raise the trust in it, silence lowers it.
    A turn of 1 ms shows that others need the processor, and stops polling for 50 ms.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turning = False
        self._until_ns = 0
        self._turned_ns = 0
        self._rest_until_ns = 0
        self._trust = _TRUST // 2

    def stay(self) -> None:
        """Poll for a moment, unless it does not pay."""
        now_ns = time.monotonic_ns()
        if self._turning:
            self._trust = min(self._trust + 1, _TRUST)
        elif self._trust > 0 or now_ns > self._rest_until_ns:
            self._turning = True
            self._turned_ns = now_ns
            self._loop.call_soon(self._turn)
        self._until_ns = now_ns + _STAY_NS

    def _turn(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._turned_ns > _CROWDED_NS:
            self._sleep(now_ns, trust=0)
        elif now_ns < self._until_ns:
            self._turned_ns = now_ns
            self._loop.call_soon(self._turn)
        else:
            self._sleep(now_ns, trust=max(self._trust - 2, 0))

    def _sleep(self, now_ns: int, trust: int) -> None:
        self._turning = False
        self._trust = trust
        if not trust:
            self._rest_until_ns = now_ns + _PAUSE_NS

"""The events of every proxy, in order: a bounded store with any number of readers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from crashloop.proxy.events import Emit

MAX_EVENTS = 65_536
MAX_BYTES = 64 * 1024 * 1024
BATCH_EVENTS = 256

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_EVENT_BYTES = 400
_ITEM_BYTES = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as it was emitted; it becomes text only when somebody reads it."""

    seq: int
    mono_ns: int
    unix_ns: int
    kind: str
    proxy: str
    data: Mapping[str, object]
    size_bytes: int

    def line(self) -> bytes:
        """One JSON object and a newline."""
        document = {
            "seq": self.seq,
            "mono_ns": self.mono_ns,
            "at": rfc3339(self.unix_ns),
            "kind": self.kind,
            "proxy": self.proxy,
            "data": self.data,
        }
        return _ENCODER.encode(document).encode() + b"\n"


class Journal:
    """Keeps the newest events: `max_events` and about `max_bytes` of memory at most.

    Not thread-safe: belongs to one event loop. `data` given to an emitter is kept as it is, so
    it must not change afterwards.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: deque[Stored] = deque()
        self._size_bytes = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._closed = False
        self.newest = 0
        self.missed = 0

    def emitter(self, proxy: str) -> Emit:
        """What a proxy of this name calls when something happens."""

        def emit(kind: str, data: dict[str, object], /) -> int:
            return self.emit(kind, proxy, data)

        return emit

    def emit(self, kind: str, proxy: str, data: Mapping[str, object]) -> int:
        """Store an event and return its number; a plain append while no reader waits."""
        self.newest += 1
        size_bytes = _EVENT_BYTES + len(proxy)
        for value in data.values():
            if isinstance(value, str | list | tuple | dict):
                size_bytes += len(value) * (1 if isinstance(value, str) else _ITEM_BYTES)
        self._events.append(
            Stored(self.newest, time.monotonic_ns(), time.time_ns(), kind, proxy, data, size_bytes)
        )
        self._size_bytes += size_bytes
        while len(self._events) > 1 and self._is_over():
            self._size_bytes -= self._events.popleft().size_bytes
        if self._waiting:
            self._wake()
        return self.newest

    async def read(self, *, since: int = 0, until: int | None = None) -> AsyncGenerator[bytes]:
        """JSON lines of the events after `since`, in batches, up to and including `until`.

        Without `until` it ends when the journal is closed and everything is read. Events that
        were dropped before they could be read are replaced by one of the kind `events.missed`,
        with their number in `data.count`; its `seq` is the last one missed.
        """
        while until is None or since < until:
            while since < self.newest:
                lines: list[bytes] = []
                since = self._collect(lines, since, until)
                yield b"".join(lines)
                if until is not None and since >= until:
                    return
                await asyncio.sleep(0)  # a reader far behind must not keep the loop to itself
            if self._closed:
                return
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)

    def close(self) -> None:
        """No more events: readers end when they have read what is there."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def _is_over(self) -> bool:
        return self._size_bytes > self._max_bytes or len(self._events) > self._max_events

    def _collect(self, lines: list[bytes], since: int, until: int | None) -> int:
        oldest = self._events[0].seq
        end = self.newest if until is None else until
        if since < oldest - 1:
            last_missed = min(oldest - 1, end)
            self.missed += last_missed - since
            lines.append(_missed(last_missed, last_missed - since))
            since = last_missed
        end = min(end, since + BATCH_EVENTS)
        lines.extend(self._events[seq - oldest].line() for seq in range(since + 1, end + 1))
        return end


def _missed(seq: int, count: int) -> bytes:
    now_ns = time.monotonic_ns()
    data = {"count": count}
    return Stored(seq, now_ns, time.time_ns(), "events.missed", "", data, 0).line()

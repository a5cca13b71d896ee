"""Makes events: numbers them, redacts them, writes them, and calls their listeners."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from crashloop.clock import rfc3339
from crashloop.trace.event import SOURCES, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.model import Life
    from crashloop.trace.redact import Redactor
    from crashloop.trace.writer import TraceWriter


class Recorder:
    """The one place where a run's events come from.

    Not thread-safe: belongs to the run's event loop. Listeners are called at once, in order, after
    the event is on disk; one that raises is not called again.
    """

    def __init__(self, writer: TraceWriter, redactor: Redactor) -> None:
        self.redactor = redactor
        self.events: list[Event] = []
        self._writer = writer
        self._listeners: list[Callable[[Event], None]] = []
        self._started_ns = time.monotonic_ns()
        self._started_unix_ns = time.time_ns()

    def emit(
        self,
        source: str,
        kind: str,
        data: Mapping[str, Any] | None = None,
        *,
        life: Life | None = None,
        target: str | None = None,
        mono_ns: int | None = None,
    ) -> Event:
        """Record that something happened (`mono_ns`: when, if not now); returns the event."""
        event = self.make(source, kind, data, life=life, target=target, mono_ns=mono_ns)
        self.record(event)
        return event

    def make(
        self,
        source: str,
        kind: str,
        data: Mapping[str, Any] | None = None,
        *,
        life: Life | None = None,
        target: str | None = None,
        mono_ns: int | None = None,
    ) -> Event:
        """The next event, which `record` has still to write."""
        assert source in SOURCES, source
        instant_ns = time.monotonic_ns() if mono_ns is None else mono_ns
        return Event(
            seq=len(self.events) + 1,
            mono_ns=instant_ns,
            at=rfc3339(self._started_unix_ns + instant_ns - self._started_ns),
            source=source,
            kind=kind,
            replica=life.replica if life else None,
            attempt=life.attempt if life else None,
            target=target,
            data=self.redactor.data(dict(data or {})),
        )

    def record(self, event: Event) -> None:
        """Write the event that was made last, and call the listeners with it."""
        assert event.seq == len(self.events) + 1
        self._writer.write(event.to_json())
        self.events.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except BaseException:
                self.unsubscribe(listener)
                raise

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` for every event from now on."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[Event], None]) -> None:
        """Stop calling it."""
        if listener in self._listeners:
            self._listeners.remove(listener)

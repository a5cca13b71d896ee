"""Makes events: numbers them, redacts them, writes them, and tells whoever waits for one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from crashloop.clock import rfc3339
from crashloop.errors import HarnessError
from crashloop.trace.event import SOURCES, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.trace.redact import Redactor
    from crashloop.trace.writer import TraceWriter


class Recorder:
    """The one place where a run's events come from.

    Not thread-safe: belongs to the run's event loop. Listeners are called at once, in order, after
    the event is on disk.
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
        attempt: int | None = None,
        mono_ns: int | None = None,
    ) -> Event:
        """Record that something happened (`mono_ns`: when, if not now); returns the event."""
        assert source in SOURCES, source
        instant_ns = time.monotonic_ns() if mono_ns is None else mono_ns
        event = Event(
            seq=len(self.events) + 1,
            mono_ns=instant_ns,
            at=rfc3339(self._started_unix_ns + instant_ns - self._started_ns),
            source=source,
            kind=kind,
            attempt=attempt,
            data=self.redactor.data(dict(data or {})),
        )
        self._writer.write(event.to_json())
        self.events.append(event)
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def source(self, source: str) -> Callable[[str, Mapping[str, Any]], int]:
        """`emit` for one source: takes kind and data, returns the event's `seq`."""

        def emit(kind: str, data: Mapping[str, Any]) -> int:
            return self.emit(source, kind, data).seq

        return emit

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` for every event from now on."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[Event], None]) -> None:
        """Stop calling it."""
        self._listeners.remove(listener)

    async def wait_for(
        self, wanted: Callable[[Event], bool], *, deadline_s: float, awaiting: str
    ) -> Event:
        """The first event, past or future, that is wanted; HarnessError after `deadline_s` wall s.

        `awaiting` says in words what was waited for; the error adds what was seen last.
        """
        for event in self.events:
            if wanted(event):
                return event
        found: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def listener(event: Event) -> None:
            if not found.done() and wanted(event):
                found.set_result(event)

        self.subscribe(listener)
        try:
            async with asyncio.timeout(deadline_s):
                return await found
        except TimeoutError:
            last = self.events[-1] if self.events else None
            seen = f"{last.source} {last.kind} (seq {last.seq})" if last else "nothing"
            raise HarnessError(
                f"waited {deadline_s:g} s for {awaiting}; the last event seen was {seen}",
                hint="the trace up to here is kept; raise the scenario's deadline if this machine "
                "is very slow",
            ) from None
        finally:
            self.unsubscribe(listener)

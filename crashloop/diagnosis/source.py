"""One source of a log: the readers of its lines, and its last lines."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.logs.dependencies import DependencyLines
from crashloop.logs.event import ERROR, SERVER, LogEvent
from crashloop.logs.exceptions import exception_line
from crashloop.logs.migrations import migration_event
from crashloop.logs.platforms import platform_event
from crashloop.logs.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.logs.entry import Entry

MAX_EVENTS = 20_000
"""Of a kind: a source has many lives, and the last one counts as the first does."""
MAX_WINDOW = 400
"""How many lines of a source are remembered for citing an error that ends with a later line."""


class Source:
    """Makes events of one source's lines, an app's or a dependency's; `recent` has the last."""

    def __init__(self) -> None:
        self.app = LogReader(max_events=MAX_EVENTS)
        self.dependency = DependencyLines()
        self.recent: deque[tuple[int, Entry, str]] = deque(maxlen=MAX_WINDOW)
        self.is_dependency = False
        self.last_said = 0
        """The index of the last line that is no platform's, in the life that has not ended."""
        self._torn_before = 0

    def feed(self, text: str, index: int) -> Iterator[LogEvent]:
        """The events that are complete with this line."""
        if (said := platform_event(text, index)) is not None:
            yield said
            return
        self.last_said = index if text.strip() else self.last_said
        is_theirs, events = self.dependency.feed(text, index)
        yield from events
        if is_theirs:
            self.is_dependency = True
            return
        if (step := migration_event(text, index)) is not None:
            yield step
            return
        bare = None if self.app.is_open else exception_line(text, index)
        torn = self.app.torn
        for event in self.app.quiet() if bare else self.app.feed(text, index):
            if event.kind == SERVER and event.data["says"] == "started":
                self._torn_before = torn
            yield self._marked(event)
        if bare is not None:
            yield replace(bare, data={**bare.data, "is_torn": True})

    def end(self) -> Iterator[LogEvent]:
        """The last events, for the log has ended."""
        yield from self.dependency.end()
        yield from map(self._marked, self.app.end())

    def _marked(self, event: LogEvent) -> LogEvent:
        """The event; `is_torn`: parts of tracebacks were lost in this life, maybe of this error."""
        if event.kind != ERROR or self.app.torn == self._torn_before:
            return event
        return replace(event, data={**event.data, "is_torn": True})

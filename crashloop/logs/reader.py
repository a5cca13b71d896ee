"""Reads the lines of one life: each format in turn, in bounded memory and time."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from crashloop.logs.drivers import driver_event
from crashloop.logs.node import NodeErrors
from crashloop.logs.python import Tracebacks
from crashloop.logs.servers import server_event
from crashloop.logs.structured import json_object, structured_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.logs.event import LogEvent

MAX_PARSED_CHARS = 4000
MAX_EVENTS = 200
MAX_TEXTS = 50
MAX_TEXT_DEPTH = 3
MAX_TEXT_LINES = 1000
_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


class LogReader:
    """Makes events of one life's lines; lines that say nothing known make none.

    Structured lines, a web server's life lines, Python's tracebacks, Node's errors, the words of
    known drivers, and any of these inside the strings of a JSON line. At most `max_events` of a
    kind. The first 4,000 characters of a line that is no JSON are read.
    """

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        self._found: list[LogEvent] = []
        self._counts: dict[str, int] = {}
        self._python = Tracebacks(self._add)
        self._node = NodeErrors(self._add)
        # A line above a traceback often has the same error in a driver's words.
        self._held: LogEvent | None = None
        self._above: LogEvent | None = None

    @property
    def is_open(self) -> bool:
        """Whether an error has begun that further lines may belong to."""
        return self._python.is_open

    @property
    def torn(self) -> int:
        """How many parts of tracebacks have lost their head or their end so far."""
        return self._python.torn

    def feed(self, line: str, at_ns: int) -> list[LogEvent]:
        """Take the next line, heard at `at_ns`; returns the events that are now complete."""
        entry = json_object(line)
        if entry is None:
            self._text(_ANSI.sub("", line[:MAX_PARSED_CHARS]), at_ns)
            return self._take()
        self._settle()
        structured = structured_event(entry)
        if structured is not None:
            return [*self._take(), structured]
        self._json(entry, at_ns)
        return self._take()

    def quiet(self) -> list[LogEvent]:
        """Note that no line has come for a while; returns the events that can be complete."""
        self._settle()
        return self._take()

    def end(self) -> list[LogEvent]:
        """Note that the log has ended; returns the last events."""
        self._python.end()
        return self.quiet()

    def _settle(self) -> None:
        """End each error that can be over."""
        self._release()
        self._python.record()
        self._node.end()

    def _text(self, text: str, at_ns: int) -> None:
        server = server_event(text, at_ns)
        if server is not None:
            self._settle()
            self._add(server)
        elif self._python.feed(text, at_ns) or self._node.feed(text, at_ns):
            self._above, self._held = self._held or self._above, None
        else:
            self._release()
            self._held = driver_event(text, at_ns)
            if self._python.is_open:  # another worker's line
                self._release()

    def _json(self, entry: dict[str, Any], at_ns: int) -> None:
        """Read the strings of a JSON line: a message, or a traceback of many lines."""
        texts = list(islice(_texts(entry, MAX_TEXT_DEPTH), MAX_TEXTS))
        before = len(self._found)
        for text in texts:
            server = server_event(text, at_ns)
            if server is not None:
                self._add(server)
            python, node = Tracebacks(self._add), NodeErrors(self._add)
            for line in text.split("\n", MAX_TEXT_LINES)[:MAX_TEXT_LINES]:
                part = line[:MAX_PARSED_CHARS]
                _ = python.feed(part, at_ns) or node.feed(part, at_ns)
            python.end()
            node.end()
        if len(self._found) == before:
            events = (driver_event(text, at_ns) for text in texts)
            for event in [each for each in events if each][:1]:
                self._add(event)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._add(held)

    def _add(self, event: LogEvent) -> None:
        above, self._above = self._above, None
        if above is not None and not _is_of_driver(event):
            self._add(above)
        self._counts[event.kind] = self._counts.get(event.kind, 0) + 1
        if self._counts[event.kind] <= self._max_events:
            self._found.append(event)

    def _take(self) -> list[LogEvent]:
        found, self._found = self._found, []
        return found


def _is_of_driver(event: LogEvent) -> bool:
    """Whether an error tells a driver's facts itself."""
    links = event.data.get("error") or ()
    return any(link["errno"] is not None or link["sqlstate"] for link in links)


def _texts(value: object, depth: int) -> Iterator[str]:
    """The strings in a JSON value, those near its root first."""
    inner = list(
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    yield from (each for each in inner if isinstance(each, str))
    if depth > 1:
        for each in inner:
            yield from _texts(each, depth - 1)

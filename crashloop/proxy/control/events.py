"""The built-in proxy's events, followed over the API."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from crashloop.errors import HarnessError
from crashloop.proxy.control.records import rubbish

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from crashloop.proxy.control.consumer import Lines

MISSED = "events.missed"
"""The kind of the entry that stands for events which nobody can tell any more."""


class EventStream:
    """Events as dicts, oldest first: `seq, mono_ns, at, kind, proxy, data`.

    An iterator, and a context manager that closes it. Each event comes once and in order; where
    some are missing, an entry of the kind `events.missed` says `data["count"]`, whether the
    server told so or the numbers have a gap. `seq` is the number of the newest event so far,
    missed ones included. `close` may be called from any thread and ends the iteration.

    Iterating raises HarnessError when the time limit passes, when the server is gone, and for
    what is not an event.
    """

    def __init__(self, lines: Lines | None, *, since: int, until: int | None) -> None:
        self.seq = since
        self._lines = lines
        self._until = until
        self._entries = self._read()
        self._closed = False
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        with self._turn:
            return next(self._entries)

    def close(self) -> None:
        """End the stream; the thread that iterates sees its end at once."""
        self._closed = True
        if self._lines is None:
            return
        self._lines.interrupt()
        with self._turn:
            self._entries.close()
            self._lines.close()

    def _read(self) -> Generator[dict[str, Any], None, None]:
        if self._lines is None:
            return
        with closing(self._lines):
            for line in self._told(self._lines):
                event = _event(line)
                if event is None:
                    continue
                if event["kind"] == MISSED:
                    self.seq += _missed_count(event)
                    yield event
                    continue
                yield from self._gap(event)
                self.seq = event["seq"]
                yield event
                if self._until is not None and self.seq >= self._until:
                    return
        if self._until is not None and self.seq < self._until and not self._closed:
            raise HarnessError(f"The fault proxy ended its events. {self._awaited()}")

    def _told(self, lines: Lines) -> Iterator[bytes]:
        try:
            yield from lines
        except HarnessError as error:
            raise HarnessError(f"{error.message} {self._awaited()}", hint=error.hint) from error

    def _awaited(self) -> str:
        awaited = "" if self._until is None else f"Awaited was event {self._until}; "
        return f"{awaited}{'the' if awaited else 'The'} last one seen is {self.seq}."

    def _gap(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        missing = event["seq"] - self.seq - 1
        if missing < 0:
            raise HarnessError(
                f"Event {event['seq']} of the fault proxy came after {self.seq}.",
                hint="A proxy that was started anew counts from the start: make a new Control.",
            )
        if missing:
            yield {"kind": MISSED, "data": {"count": missing}}


def _event(line: bytes) -> dict[str, Any] | None:
    """One line's event; None for an empty line, which keeps the connection alive."""
    if not line.strip():
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise rubbish("one JSON object a line", line) from None
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        raise rubbish("an event with a kind", event)
    if event["kind"] != MISSED and not isinstance(event.get("seq"), int):
        raise rubbish("an event with a seq", event)
    return event


def _missed_count(event: dict[str, Any]) -> int:
    data = event.get("data")
    count = data.get("count") if isinstance(data, dict) else None
    if not isinstance(count, int) or count < 1:
        raise rubbish("the count of the missed events", event)
    return count

"""The view of a run that has not ended: a timeline on a terminal, else lines of progress."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from typing import IO, TYPE_CHECKING, Any, Self

from crashloop.model import CONTROL
from crashloop.report.drawing import MAX_ROWS_SHOWN, timeline
from crashloop.report.events import KINDS, history_so_far
from crashloop.report.lines import BLANK, Tone, paragraph
from crashloop.report.progress import Progress
from crashloop.report.redrawn import Redrawn
from crashloop.report.status import status
from crashloop.report.summary import title
from crashloop.report.terminal import MAX_WIDTH, rich_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from crashloop.model import Life
    from crashloop.report.history import History
    from crashloop.report.lines import Line
    from crashloop.report.terminal import Terminal
    from crashloop.trace.event import Event

REFRESH_PER_S = 8
MAX_ATTEMPTS_KEPT = MAX_ROWS_SHOWN + 5
MAX_EVENTS_OF_A_KIND = 100
FIRST_AXIS_S = 40.0
AXIS_GROWTH = 1.5
_LINES_AROUND = 4


def room_s(span_s: float) -> float:
    """An axis for a run that has not ended: it grows in steps, so that bars seldom move."""
    axis_s = FIRST_AXIS_S
    while axis_s < span_s:
        axis_s *= AXIS_GROWTH
    return axis_s


class Feed:
    """The latest attempts of each replica, with the first 99 events of each kind and the last.

    Only events that a timeline needs. Written by the run, read by the thread that draws.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[Life | None, dict[str, list[Event]]] = {}

    def add(self, event: Event) -> None:
        """Take one event; the oldest attempts of its replica are forgotten."""
        if event.kind not in KINDS:
            return
        with self._lock:
            kinds = self._events.setdefault(event.life, {})
            kept = kinds.setdefault(event.kind, [])
            if len(kept) == MAX_EVENTS_OF_A_KIND:
                kept.pop()
            kept.append(event)
            lives = [
                one
                for one in self._events
                if one and one != CONTROL and one.replica == event.replica
            ]
            if len(lives) > MAX_ATTEMPTS_KEPT:
                del self._events[min(lives)]

    def events(self) -> list[Event]:
        """What is kept, in no order."""
        with self._lock:
            lives = list(self._events.values())
            return [event for kinds in lives for kept in kinds.values() for event in kept]


class LiveView(Redrawn):
    """A context manager; `on_event` feeds a timeline that is redrawn 8 times a second.

    The view is removed at the end, where the report is printed. A thread draws, so that a slow
    terminal does not delay the run.
    """

    def __init__(self, header: Mapping[str, Any], terminal: Terminal) -> None:
        super().__init__(terminal, times_per_s=REFRESH_PER_S)
        self._header = header
        self._feed = Feed()

    def on_event(self, event: Event) -> None:
        """Take one event of the run."""
        self._feed.add(event)

    def _draw(self) -> Text:
        console = self._terminal.console
        history = history_so_far(self._header, self._feed.events(), now_ns=time.monotonic_ns())
        clocks = f"{history.span_s:.1f} s"
        if history.is_scaled:
            clocks = f"{history.incident_s(history.span_s):.0f} s of the incident, {clocks} here"
        text = f"{clocks}  {status(history)}"
        now = [*paragraph(text, width=console.width, tone=Tone.RUNNING, indent="")]
        rows, drawn = MAX_ROWS_SHOWN, self._timeline(history, MAX_ROWS_SHOWN)
        while rows > 1 and len(drawn) + len(now) + _LINES_AROUND > console.height:
            rows -= max(1, len(drawn) + len(now) + _LINES_AROUND - console.height)
            drawn = self._timeline(history, rows)
        return rich_text([title(history, width=console.width), BLANK, *drawn, BLANK, *now])

    def _timeline(self, history: History, rows: int) -> list[Line]:
        return timeline(
            history,
            width=min(self._terminal.console.width, MAX_WIDTH),
            glyphs=self._terminal.glyphs,
            max_rows=rows,
            axis_s=room_s(history.incident_s(history.span_s)) / history.scale,
        )


class PlainProgress:
    """A context manager; `on_event` writes a line for each important event.

    `width` is that of a terminal, where lines are wrapped; 0 if nothing is to be wrapped. Where
    there are several `replicas`, each line says which one it is about.
    """

    def __init__(self, *, scale: float, stream: IO[str], width: int = 0, replicas: int = 1) -> None:
        self._progress = Progress(scale=scale, replicas=replicas)
        self._width = width or sys.maxsize
        self._stream: IO[str] | None = stream

    def on_event(self, event: Event) -> None:
        """Take one event of the run; a reader that went away ends the lines, not the run."""
        text = self._progress.line(event)
        if text is None or self._stream is None:
            return
        try:
            self._stream.write(f"{textwrap.fill(text, self._width, subsequent_indent='    ')}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

"""One plain line for each important event, for where no live view can be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.clean import clean, label, number
from crashloop.report.events import HTTP_OK, error_words, exit_words, fault_words
from crashloop.report.history import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.trace.event import Event

MAX_LINES = 200


class Progress:
    """Turns events into lines with both clocks; None for an event that is not worth a line.

    Times never run backwards: an event that arrives late gets the time of the line before. At
    most 200 lines, then one that says so: a loop must not fill a log.
    """

    def __init__(self, *, scale: float) -> None:
        self._scale = scale
        self._origin_ns: int | None = None
        self._latest_s = 0.0
        self._lines = 0

    def line(self, event: Event) -> str | None:
        """The event's line, or None."""
        if self._origin_ns is None and event.kind in {"process.started", "fault.injected"}:
            self._origin_ns = event.mono_ns
        words = self._words(event)
        if words is None or self._lines > MAX_LINES:
            return None
        self._lines += 1
        if self._lines > MAX_LINES:
            words = "many events: what follows is in the trace only"
        return f"{self._clock(event)}  {words}"

    def _clock(self, event: Event) -> str:
        wall_s = 0.0
        if self._origin_ns is not None:
            wall_s = max(self._latest_s, (event.mono_ns - self._origin_ns) / NS_PER_S)
        self._latest_s = wall_s
        if self._scale == 1.0:
            return f"{wall_s:7.1f} s"
        return f"{wall_s * self._scale:7.1f} s ({wall_s:5.2f} s here)"

    def _words(self, event: Event) -> str | None:
        say = _SAYINGS.get(event.kind)
        return None if say is None else say(event, self._scale)


def _injected(event: Event, _: float) -> str:
    done = "injected" if event.data.get("plugged") is not False else "planned only"
    return f"fault {label(event.data.get('fault'), 40)} ({fault_words(event.data)}) {done}"


def _healed(event: Event, _: float) -> str:
    why = clean(event.data.get("trigger", ""), 120)
    return f"fault {label(event.data.get('fault'), 40)} healed ({why})"


def _phase(event: Event, scale: float) -> str:
    data = event.data
    took_s = (number(data.get("duration_s")) or 0.0) * scale
    limit_s = number(data.get("limit_s"))
    limit = f" of {limit_s * scale:g} s" if limit_s else ""
    how = event.kind.removeprefix("phase.")
    error = error_words(data)
    what = f"attempt {event.attempt}: phase {label(data.get('phase', '?'))} {how}"
    return f"{what} after {took_s:.1f} s{limit}" + (f": {error}" if error else "")


def _exited(event: Event, _: float) -> str | None:
    if event.data.get("requested"):
        return None
    return f"attempt {event.attempt} died: {exit_words(event.data)}"


def _answered(event: Event, _: float) -> str | None:
    if event.data.get("status_code") != HTTP_OK:
        return None
    return f"attempt {event.attempt} answers: {label(event.data.get('status', '?'))}"


_SAYINGS: dict[str, Callable[[Event, float], str | None]] = {
    "image.missing": lambda e, _: f"{clean(e.data.get('what', '?'))}; needed once",
    "lab.ready": lambda _event, _scale: "Postgres, cache and proxy are up",
    "baseline.passed": lambda _event, _scale: "the path to Postgres works",
    "fault.injected": _injected,
    "fault.healed": _healed,
    "process.started": lambda e, _: f"attempt {e.attempt} started, pid {label(e.data.get('pid'))}",
    "phase.failed": _phase,
    "phase.degraded": _phase,
    "process.exited": _exited,
    "probe.answered": _answered,
    "golden.row": lambda e, _: f"golden path: the message is row {label(e.data.get('id'))}",
    "golden.failed": lambda e, _: f"golden path failed: {clean(e.data.get('why', '?'))}",
    "restart.gave_up": lambda e, _: f"the platform gave up: {clean(e.data.get('reason', '?'))}",
    "harness.failed": lambda e, _: f"the harness broke: {clean(e.data.get('message', '?'), 1000)}",
    "run.interrupted": lambda _event, _scale: "interrupted",
}

"""How long one life waited, by what was recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lines import seconds
from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.trace.event import Event


class Waits:
    """Adds up what a life waited. Give it every event of the run as it is recorded.

    A phase that failed, or still ran when the life ended, waited: its time is the incident's, as is
    the time that the app served. Process start, imports and completed phases are real work. A life
    that logs no phases waits from its first connection to a dependency on.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._ended_s = 0.0
        self._open: dict[str, int] = {}
        self._logs_phases = False
        self._connected_ns: int | None = None
        self._serving_ns: int | None = None

    def event(self, event: Event) -> None:
        """Take the next event."""
        if event.life != self._life:
            return
        if event.source == "proxy" and self._connected_ns is None:
            self._connected_ns = event.mono_ns
        phase = str(event.data.get("phase"))
        self._logs_phases |= event.kind.startswith("phase.")
        match event.kind:
            case "phase.started":
                self._open[phase] = event.mono_ns
            case "phase.failed" | "phase.degraded":
                begun_ns = self._open.pop(phase, None)
                said_s = seconds(event.data, "duration_s")
                apart_s = None if begun_ns is None else (event.mono_ns - begun_ns) / NS_PER_S
                known = [each for each in (said_s, apart_s) if each is not None]
                self._ended_s += max(min(known, default=0.0), 0.0)
            case "phase.completed":
                self._open.pop(phase, None)
            case "startup.completed":
                self._serving_ns = event.mono_ns

    def waited_s(self, *, run_s: float, exited_ns: int) -> float:
        """Wall seconds waited by a life that ended at `exited_ns`; at most `run_s`, its whole."""
        since = [*self._open.values()]
        if self._serving_ns is not None:
            since.append(self._serving_ns)
        elif not self._logs_phases and self._connected_ns is not None:
            since.append(self._connected_ns)
        running_s = (exited_ns - min(since)) / NS_PER_S if since else 0.0
        return min(self._ended_s + max(running_s, 0.0), run_s)

"""Instants of events in seconds since a history began. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.history import NS_PER_S

if TYPE_CHECKING:
    from crashloop.trace.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Instants:
    """The history's first instant and its last, both in nanoseconds of CLOCK_MONOTONIC."""

    origin_ns: int
    last_ns: int

    @property
    def now_s(self) -> float:
        """The last instant."""
        return max(0.0, (self.last_ns - self.origin_ns) / NS_PER_S)

    def at_s(self, event: Event) -> float:
        """The event's instant, inside the history."""
        inside_ns = min(max(event.mono_ns, self.origin_ns), self.last_ns)
        return max(0.0, (inside_ns - self.origin_ns) / NS_PER_S)

"""The records of a trace: an event, and the whole trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = "crashloop.trace/1"
GOLDEN_PATH_ENDED = "the golden path ended"
PLATFORM_GAVE_UP = "the platform gave up"
DEADLINE_PASSED = "the deadline passed"
ENDS = (GOLDEN_PATH_ENDED, PLATFORM_GAVE_UP, DEADLINE_PASSED)
"""The ends of a run that can be judged, in `run.finished`; any other end is a failure."""
LAST_KINDS = ("harness.failed", "run.interrupted", "run.refused", "run.finished")
"""The kinds of event that say how a run ended."""
SOURCES = ("harness", "supervisor", "app", "proxy", "database", "cache", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    `seq` counts lines as they were written; `mono_ns` is CLOCK_MONOTONIC at the instant itself, so
    an app's line that arrived late is still in its place. `kind` is dotted, as in
    `phase.started`. `attempt` is 1-based, or None outside an attempt.
    """

    seq: int
    mono_ns: int
    at: str
    source: str
    kind: str
    attempt: int | None
    data: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The event's line of the trace, as an object."""
        return {
            "seq": self.seq,
            "mono_ns": self.mono_ns,
            "at": self.at,
            "source": self.source,
            "kind": self.kind,
            "attempt": self.attempt,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A whole trace: header, events ordered by `mono_ns` (then `seq`), and what was torn off."""

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    torn_line: bool = False
    by_kind: Mapping[str, tuple[Event, ...]] = field(init=False)

    def __post_init__(self) -> None:
        groups: dict[str, list[Event]] = {}
        for event in self.events:
            groups.setdefault(event.kind, []).append(event)
        object.__setattr__(self, "by_kind", {kind: tuple(found) for kind, found in groups.items()})

    def of(self, *kinds: str, attempt: int | None = None, phase: str | None = None) -> list[Event]:
        """Events of these kinds (of one attempt, of one phase), in order of time."""
        found = [e for kind in kinds for e in self.by_kind.get(kind, ())]
        if attempt is not None:
            found = [e for e in found if e.attempt == attempt]
        if phase is not None:
            found = [e for e in found if e.data.get("phase") == phase]
        return sorted(found, key=_order) if len(kinds) > 1 else found

    def first(self, *kinds: str, attempt: int | None = None) -> Event | None:
        """The earliest of `of`, or None."""
        return next(iter(self.of(*kinds, attempt=attempt)), None)

    def attempts(self) -> Iterator[int]:
        """The attempts that were started, in order."""
        return (e.attempt for e in self.of("process.started") if e.attempt is not None)

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The scenario as the header holds it; empty if it holds none."""
        found = self.header.get("scenario")
        return found if isinstance(found, dict) else {}

    @property
    def database_address(self) -> str | None:
        """The address of Postgres that the app was given: `unix:/path` or `tcp:host:port`."""
        ready = self.first("lab.ready")
        return None if ready is None else ready.data.get("database_address")

    @property
    def scale(self) -> float:
        """How many times faster than the incident the run went."""
        return float(self.header.get("time_scale", 1.0))


def ordered(events: list[Event]) -> tuple[Event, ...]:
    """Events in order of their instant; the order of writing decides where two share one."""
    return tuple(sorted(events, key=_order))


def _order(event: Event) -> tuple[int, int]:
    return event.mono_ns, event.seq

"""The records of a trace: an event, and the whole trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.model import CONTROL, Life

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "crashloop.trace/2"
JOURNEY_ENDED = "the journey ended"
PLATFORM_GAVE_UP = "the platform gave up"
DEADLINE_PASSED = "the deadline passed"
CONTROL_FAILED = "the control life failed"
NOT_BACK_IN_TIME = "the app was not back in time"
ENDS = (JOURNEY_ENDED, PLATFORM_GAVE_UP, DEADLINE_PASSED, CONTROL_FAILED, NOT_BACK_IN_TIME)
"""The ends of a run that can be judged, in `run.finished`; any other end is a failure."""
LAST_KINDS = ("harness.failed", "run.interrupted", "run.refused", "run.finished")
"""The kinds of event that say how a run ended."""
SOURCES = ("harness", "supervisor", "app", "proxy", "database", "pooler", "cache", "platform")
WRITTEN_IN_ORDER = (frozenset({"harness", "database", "cache"}), frozenset({"proxy"}))
"""Sources that write events in the order of their instants.

The harness writes at once, the proxy's events come from its process in order. An app's lines, and
the errors in a server's log (those with a SQLSTATE), may arrive in another order.
"""
SESSIONS_COUNTED = "database.backends"
"""The kind of event that says how many sessions an ended life left in a dependency."""
SESSIONS_PEAK = "database.sessions_peak"
"""The kind of event that says how many sessions of the app a database had at once at most."""
NO_BASELINE = "baseline.not_needed"
"""The kind of event that comes in place of baselines where the app has no dependency."""
MAX_REPLICAS = 1000
"""How many replicas a trace may speak of: what is asked of each is not asked without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    `seq` counts lines as they were written; `mono_ns` is CLOCK_MONOTONIC at the instant itself, so
    an app's line that arrived late is still in its place. `kind` is dotted, as in
    `phase.started`. `replica` and `attempt` count from 1 and are None outside a life; attempt 0 is
    the control life. `target` is the dependency or path that the event is about, if there is one.
    """

    seq: int
    mono_ns: int
    at: str
    source: str
    kind: str
    replica: int | None
    attempt: int | None
    target: str | None
    data: Mapping[str, Any]

    @property
    def life(self) -> Life | None:
        """The life that the event belongs to; None if it belongs to none."""
        if self.replica is None or self.attempt is None:
            return None
        return Life(self.replica, self.attempt)

    def to_json(self) -> dict[str, Any]:
        """The event's line of the trace, as an object."""
        return {
            "seq": self.seq,
            "mono_ns": self.mono_ns,
            "at": self.at,
            "source": self.source,
            "kind": self.kind,
            "replica": self.replica,
            "attempt": self.attempt,
            "target": self.target,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A whole trace: header, events ordered by `mono_ns` (then `seq`), and what was torn off.

    The events of the control life, which comes before any fault, are in `control`; no lookup by
    kind or link finds them.
    """

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    torn_line: bool = False
    control: tuple[Event, ...] = field(init=False)
    by_kind: Mapping[str, tuple[Event, ...]] = field(init=False)
    by_link: Mapping[str, tuple[Event, ...]] = field(init=False)

    def __post_init__(self) -> None:
        kinds: dict[str, list[Event]] = {}
        links: dict[str, list[Event]] = {}
        control = tuple(e for e in self.events if e.life == CONTROL)
        object.__setattr__(self, "control", control)
        for event in self.events:
            if event.life == CONTROL:
                continue
            kinds.setdefault(event.kind, []).append(event)
            link = event.data.get("link")
            if isinstance(link, str):
                links.setdefault(link, []).append(event)
        for name, groups in (("by_kind", kinds), ("by_link", links)):
            object.__setattr__(self, name, {key: tuple(found) for key, found in groups.items()})

    def of(
        self,
        *kinds: str,
        life: Life | None = None,
        phase: str | None = None,
        target: str | None = None,
    ) -> list[Event]:
        """Events of these kinds (of one life, phase, target), in order of time."""
        found = [e for kind in kinds for e in self.by_kind.get(kind, ())]
        if life is not None:
            found = [e for e in found if e.life == life]
        if phase is not None:
            found = [e for e in found if e.data.get("phase") == phase]
        if target is not None:
            found = [e for e in found if e.target == target]
        return sorted(found, key=_order) if len(kinds) > 1 else found

    def first(
        self, *kinds: str, life: Life | None = None, target: str | None = None
    ) -> Event | None:
        """The earliest of `of`, or None."""
        return next(iter(self.of(*kinds, life=life, target=target)), None)

    def lives(self, replica: int | None = None) -> list[Life]:
        """The lives that were started (of one replica), in order."""
        found = [e.life for e in self.of("process.started") if e.life is not None]
        return [life for life in found if replica in {None, life.replica}]

    def replicas(self) -> range:
        """The numbers of the scenario's replicas; an old revision's are not among them.

        Raises ValueError for more than MAX_REPLICAS, which no trace that was read has.
        """
        count = int((self.scenario.get("replicas") or {}).get("count", 1))
        if count > MAX_REPLICAS:
            raise ValueError(f"{count} replicas are more than {MAX_REPLICAS}")
        return range(1, count + 1)

    def name(self, life: Life | None) -> str:
        """A life in words: `attempt 2`, and of which replica where there are several."""
        if life is None:
            return "no attempt"
        if life == CONTROL:
            return "the control life"
        several = len(self.replicas()) > 1 or any(e.replica not in {None, 1} for e in self.events)
        return f"attempt {life.attempt}" + (f" of replica {life.replica}" if several else "")

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The scenario as the header holds it; empty if it holds none."""
        found = self.header.get("scenario")
        return found if isinstance(found, dict) else {}

    def address(self, target: str) -> str | None:
        """The address of a dependency that the app was given: `unix:/path` or `tcp:host:port`."""
        ready = self.first("lab.ready")
        addresses = ready.data.get("addresses") if ready else None
        return addresses.get(target) if isinstance(addresses, dict) else None

    @property
    def scale(self) -> float:
        """How many times faster than the incident the run went."""
        return float(self.header.get("time_scale", 1.0))


def ordered(events: list[Event]) -> tuple[Event, ...]:
    """Events in order of their instant; the order of writing decides where two share one."""
    return tuple(sorted(events, key=_order))


def _order(event: Event) -> tuple[int, int]:
    return event.mono_ns, event.seq

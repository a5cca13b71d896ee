"""The events of a trace as rows of a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.model import CONTROL
from crashloop.report.history import NS_PER_S
from crashloop.report.page.inert import fitted, inert, inert_data
from crashloop.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crashloop.report.history import History
    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_ROWS = 5000
ROWS_BYTES, LEAST_BYTES, MOST_BYTES = 1_000_000, 60, 600
_MAX_NS = 10**18
_SAID_ALREADY = frozenset({"message", "severity", "boot_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event. `life` is its life's name in the filter; `said`: it has lines in the log."""

    seq: int
    incident: str
    wall: str
    who: str
    life: str
    source: str
    kind: str
    words: str
    data: str
    cited: bool
    said: bool


def shown_events(events: Sequence[Event], cited: Collection[int]) -> list[Event]:
    """The events that get a row: all, or the cited ones, the first and the last up to a bound."""
    if len(events) <= MAX_ROWS:
        return [*events]
    room = max(MAX_ROWS - len(cited), 0) // 2
    last = len(events) - room
    return [e for n, e in enumerate(events) if n < room or n >= last or e.seq in cited]


def rows_of(
    events: Sequence[Event],
    *,
    history: History,
    instants: Instants,
    cited: Collection[int],
    said: Collection[int],
) -> list[Row]:
    """A row for each event; `cited` and `said` have the `seq` of those with a finding and a log."""
    progress = Progress(scale=history.scale, replicas=history.replicas)
    size_bytes = min(max(ROWS_BYTES // max(len(events), 1), LEAST_BYTES), MOST_BYTES)
    return [
        Row(
            seq=event.seq,
            incident=seconds(event, instants, history.scale, digits=1),
            wall=seconds(event, instants, 1.0, digits=3),
            who=who(event, history),
            life=f"{event.replica}.{event.attempt}" if event.life else "",
            source=inert(event.source, 20),
            kind=inert(event.kind, 40),
            words=fitted(progress.words(event) or event.data.get("message") or "", size_bytes),
            data=_data(event, size_bytes),
            cited=event.seq in cited,
            said=event.seq in said,
        )
        for event in events
    ]


def seconds(event: Event, instants: Instants, scale: float, *, digits: int) -> str:
    """Seconds since the history's origin, negative before it; `-` for no sensible time."""
    after_ns = event.mono_ns - instants.origin_ns
    return f"{after_ns / NS_PER_S * scale:.{digits}f}" if abs(after_ns) < _MAX_NS else "-"


def who(event: Event, history: History) -> str:
    """The life that the event belongs to, in words."""
    if event.life is None:
        return ""
    if event.life == CONTROL:
        return "control life"
    return f"attempt {event.attempt}" + (f" of replica {event.replica}" * history.several)


def _data(event: Event, size_bytes: int) -> str:
    target = {"target": event.target} if event.target else {}
    data = {name: value for name, value in event.data.items() if name not in _SAID_ALREADY}
    return inert_data({**target, **data}, size_bytes)

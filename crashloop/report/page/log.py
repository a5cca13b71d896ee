"""What the app said in each life, as lines of a page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.model import CONTROL
from crashloop.report.page.inert import inert, inert_line, size_of
from crashloop.report.page.rows import seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crashloop.model import Life
    from crashloop.report.history import History
    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_LIVES = 60
LOGS_BYTES, ENTRY_BYTES = 700_000, 150
MAX_EVENT_CHARS = 4000
MAX_LINE_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one event of the app says; `cited`: a finding rests on it."""

    seq: int
    incident: str
    severity: str
    text: str
    cited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The lines of one life; `left_out` counts those of its events that are not among them."""

    name: str
    file: str
    said: tuple[Said, ...]
    left_out: int


def logs_of(
    events: Sequence[Event],
    *,
    history: History,
    instants: Instants,
    cited: Collection[int],
    several: bool,
) -> tuple[tuple[Log, ...], int]:
    """The log of each life that said something: the last 60 lives, of each the last lines.

    With it the number of earlier lives that said something. Lines of the last 60 that a finding
    cites are always kept. `several` is as in `Life.log_name`.
    """
    of_life: dict[Life, list[Event]] = {}
    for event in events:
        if event.source == "app" and event.life is not None and _raw(event):
            of_life.setdefault(event.life, []).append(event)
    shown = [*of_life.items()][-MAX_LIVES:]
    room = LOGS_BYTES // max(len(shown), 1)
    logs = []
    for life, found in shown:
        told = tuple(
            _said(each, history, instants, cited) for each in [*_kept(found, room, cited)][::-1]
        )
        name = "control life" if life == CONTROL else f"attempt {life.attempt}"
        name += f" of replica {life.replica}" * (history.several and life != CONTROL)
        file = life.log_name(several=several)
        logs.append(Log(name=name, file=file, said=told, left_out=len(found) - len(told)))
    return tuple(logs), len(of_life) - len(shown)


def _kept(found: Sequence[Event], room: int, cited: Collection[int]) -> Iterator[Event]:
    """The last events for whose text there is room, and all cited ones; the last comes first."""
    for event in found[::-1]:
        size = ENTRY_BYTES + size_of(_raw(event)[:MAX_EVENT_CHARS])
        if size <= room or event.seq in cited:
            yield event
        room -= size


def _raw(event: Event) -> str:
    """What the app wrote, as it came."""
    said = event.data.get("text" if event.kind == "app.output" else "message")
    return said if isinstance(said, str) else ""


def _said(event: Event, history: History, instants: Instants, cited: Collection[int]) -> Said:
    raw = _raw(event)
    lines = raw[:MAX_EVENT_CHARS].split("\n") + ["…"] * (len(raw) > MAX_EVENT_CHARS)
    return Said(
        seq=event.seq,
        incident=seconds(event, instants, history.scale, digits=1),
        severity=inert(event.data.get("severity") or "", 10),
        text="\n".join(inert_line(one, MAX_LINE_CHARS) for one in lines),
        cited=event.seq in cited,
    )

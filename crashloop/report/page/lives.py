"""The attempts of a run as rows of a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.plural import counted
from crashloop.report.words import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.report.history import History, LifeSpan

MAX_LIVES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One life: when it began, how long it lasted, how far it came, how it ended."""

    name: str
    start: str
    lasted: str
    phases: str
    links: str
    ready: str
    end: str
    died: bool


def attempts_of(history: History) -> Iterator[Attempt]:
    """The last 300 lives, in order of their starts."""
    for life in history.lives[-MAX_LIVES:]:
        yield Attempt(
            name=sentence(history.name(life)) + (" (old revision)" if life.old else ""),
            start=_seconds(history, life.start_s),
            lasted=_seconds(history, life.end_s - life.start_s),
            phases=_phases(life),
            links=", ".join(f"{history.target(name)} {n}" for name, n in life.links.items()),
            ready="" if life.ready_s is None else _seconds(history, life.ready_s),
            end=_end(life),
            died=life.died,
        )


def _phases(life: LifeSpan) -> str:
    """`5 phases, the last one database: failed (TimeoutError)`."""
    last = life.last_phase
    if last is None:
        return life.server or life.error or "none began"
    error = f" ({last.error})" if last.error else ""
    return f"{counted(len(life.phases), 'phase')}, the last one {last.name}: {last.outcome}{error}"


def _end(life: LifeSpan) -> str:
    if life.died:
        by = f", {life.kills[0].signal} for the {life.kills[0].by}" if life.kills else ""
        return f"died: {life.exit}{by}"
    return f"asked to stop: {life.exit}" if life.exit else "still alive"


def _seconds(history: History, wall_s: float) -> str:
    return plain(round(history.incident_s(wall_s), 1))

"""The lives of one replica, each with the events that say how it began, fared and ended."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from crashloop.checks.ends import code_of, kills_of
from crashloop.checks.lives import observed

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeRecord:
    """One life: when it started, was ready and ended, and what the platform did then.

    `ready` is the first answer that said so, or the app's own line that its start-up is complete,
    whichever came first; `answered` is such an answer only. An app that its start-up probe killed
    was not ready by its own word: the platform could not reach it.
    """

    life: Life
    started: Event
    ready: Event | None = None
    answered: Event | None = None
    ended: Event | None = None
    scheduled: Event | None = None

    @property
    def died(self) -> bool:
        """Whether it ended without the harness asking for it."""
        return self.ended is not None and not self.ended.data.get("requested")

    @property
    def died_before_ready(self) -> bool:
        """Whether it died and had not been ready."""
        return self.died and self.ready is None

    @property
    def exited_0(self) -> bool:
        """Whether it died with exit 0."""
        return self.died and self.ended is not None and code_of(self.ended) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The lives of one replica in order, and whether the platform gave it up."""

    number: int
    lives: tuple[LifeRecord, ...]
    gave_up: Event | None = None

    @property
    def deaths(self) -> list[LifeRecord]:
        """The lives that died."""
        return [each for each in self.lives if each.died]

    @property
    def last(self) -> LifeRecord:
        """The last life; LookupError if there is none."""
        return self.lives[-1]

    @property
    def longest_streak(self) -> tuple[LifeRecord, ...]:
        """The most lives in a row that died before they were ready; the first of several."""
        streaks = [
            tuple(group)
            for failed, group in groupby(self.lives, key=lambda each: each.died_before_ready)
            if failed
        ]
        return max(streaks, key=len, default=())

    def pauses(self) -> list[tuple[LifeRecord, LifeRecord]]:
        """Each life that ended with the one that followed it."""
        return [(one, after) for one, after in pairwise(self.lives) if one.ended is not None]


def replica_of(trace: Trace, number: int) -> Replica:
    """The replica with this number, as the trace shows it."""
    gave_up = [e for e in observed(trace, "restart.gave_up") if e.replica == number]
    began = [e for e in observed(trace, "process.started") if e.replica == number]
    lives = {e.life: _life(trace, e.life, e) for e in reversed(began) if e.life is not None}
    in_order = tuple(sorted(lives.values(), key=lambda each: each.life.attempt))
    return Replica(number=number, lives=in_order, gave_up=gave_up[-1] if gave_up else None)


def _life(trace: Trace, life: Life, started: Event) -> LifeRecord:
    answers = [e for e in observed(trace, "ready.answered", life=life) if e.data.get("ready")]
    ended = next(iter(observed(trace, "process.exited", life=life)), None)
    said = list(answers[:1])
    if ended is None or not kills_of(trace, ended, by="startup probe"):
        said += trace.of("startup.completed", life=life)[:1]
    return LifeRecord(
        life=life,
        started=started,
        answered=answers[0] if answers else None,
        ready=min(said, key=lambda event: event.mono_ns, default=None),
        ended=ended,
        scheduled=next(iter(observed(trace, "restart.scheduled", life=life)), None),
    )

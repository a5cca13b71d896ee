"""Weighs the known causes against a case: which it is, which it is not, and by which lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.diagnosis.cause import Cause, Sign
    from crashloop.model import Judgement
    from crashloop.trace.event import Event


class Confidence(IntEnum):
    """How sure: only hints; a sign that decides; one that decides and more that agrees."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def word(self) -> str:
        """Its name in output."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sign and the events that show it."""

    sign: Sign
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A cause, and what the logs show of it. `explained_by` is the cause of which it is a part."""

    cause: Cause
    confidence: Confidence
    decided: tuple[Seen, ...]
    pointed: tuple[Seen, ...] = ()
    against: tuple[Seen, ...] = ()
    not_seen: tuple[Sign, ...] = ()
    explained_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The causes that fit, the surest first; those ruled out; `unknown` if none is decided.

    `run` is the judgement of a run of ours, if that is what was read.
    """

    case: Case
    causes: tuple[Weighed, ...]
    ruled_out: tuple[Weighed, ...]
    unknown: bool
    decides: tuple[str, ...]
    run: Judgement | None = None


MAX_DECIDING = 4
MAX_LOW = 5
"""How many possible causes are listed where none is decided."""


def diagnose(case: Case, causes: Iterable[Cause]) -> Diagnosis:
    """Weigh each cause. Unknown: none is decided, or several are that do not explain each other."""
    weighed = [w for w in (_weigh(case, cause) for cause in causes) if w is not None]
    ruled_out = tuple(w for w in weighed if w.against)
    standing = _explained([w for w in weighed if not w.against])
    standing.sort(key=_rank)
    sure = [w for w in standing if w.confidence > Confidence.LOW and not w.explained_by]
    tied = [w for w in sure if w.cause.in_logs.covers] or sure
    unknown = len(tied) != 1
    if unknown:
        kept = [replace(w, confidence=Confidence.LOW) for w in standing[:MAX_LOW]]
    else:
        kept = [w for w in standing if w.decided]
    return Diagnosis(
        case=case,
        causes=tuple(kept),
        ruled_out=ruled_out,
        unknown=unknown,
        decides=tuple(_would_decide(case, kept, tied)) if unknown else (),
    )


def _weigh(case: Case, cause: Cause) -> Weighed | None:
    """What the case shows of a cause; None if it shows nothing of it.

    What any outage shows makes no cause surer; it makes one worth a line where it is ruled out.
    """
    signs = cause.in_logs
    decided, pointed = _seen(case, signs.decides), _seen(case, signs.points)
    against = _seen(case, signs.refutes)
    if not decided and not _telling(pointed) and not (pointed and _telling(against)):
        return None
    confidence = Confidence.LOW
    if decided:
        lives = {event.life for each in decided for event in each.events if event.life is not None}
        agrees = bool(_telling(pointed)) or len(decided) > 1 or len(lives) > 1
        confidence = Confidence.HIGH if agrees else Confidence.MEDIUM
    found = {id(each.sign) for each in (*decided, *pointed)}
    return Weighed(
        cause=cause,
        confidence=confidence,
        decided=decided,
        pointed=pointed,
        against=against,
        not_seen=tuple(s for s in (*signs.decides, *signs.points) if id(s) not in found),
    )


def _seen(case: Case, signs: Sequence[Sign]) -> tuple[Seen, ...]:
    looked = [(sign, tuple(sign.look(case))) for sign in signs]
    return tuple(Seen(sign=sign, events=events) for sign, events in looked if events)


def _telling(seen: Sequence[Seen]) -> list[Seen]:
    """Those that not any outage shows."""
    return [each for each in seen if not each.sign.is_generic]


def _explained(weighed: Sequence[Weighed]) -> list[Weighed]:
    """Those that another one, decided, explains are no cause of their own."""
    decided = [w for w in weighed if w.decided]
    by = {part: w.cause.id for w in decided for part in w.cause.in_logs.explains}
    return [
        replace(w, explained_by=by[w.cause.id], confidence=Confidence.LOW)
        if w.cause.id in by
        else w
        for w in weighed
    ]


def _rank(weighed: Weighed) -> tuple[bool, int, int, str]:
    seen = sum(len(each.events) for each in (*weighed.decided, *weighed.pointed))
    is_cover = bool(weighed.decided) and weighed.cause.in_logs.covers and not weighed.explained_by
    return not is_cover, -weighed.confidence, -seen, weighed.cause.id


def _would_decide(case: Case, kept: Sequence[Weighed], tied: Sequence[Weighed]) -> list[str]:
    """What would decide, as sentences: what each possible cause still lacks."""
    if not kept and not case.failed and any(life.was_ready for life in case.lives):
        return ["no failed start is in these logs: each life that began became ready or goes on"]
    if tied:
        names = " and ".join(weighed.cause.id for weighed in tied)
        return [f"{names} are each shown by lines of their own: the log of one service alone"]
    lacking = ((w.cause.id, s) for w in kept for s in w.not_seen if s in w.cause.in_logs.decides)
    return [f"{name}: whether {sign.says}" for name, sign in lacking][:MAX_DECIDING] or [
        "the log of the app from its start to its end, and that of each dependency of that time"
    ]

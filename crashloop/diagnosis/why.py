"""One answer to "why?", and the chain of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.diagnosis.case import Cited
    from crashloop.trace.event import Event

MAX_WHYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One step, which answers "why?" of the one before; the first one is the symptom.

    It rests on `events`, of which there is one at least. `lines` are theirs where logs were read.
    """

    says: str
    events: tuple[Event, ...]
    lines: tuple[Cited, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whys:
    """From the symptom to where the evidence ends, 7 steps at most.

    `ends` says what the next answer would need.
    """

    steps: tuple[Why, ...]
    ends: str

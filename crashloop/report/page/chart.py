"""What a timeline on a page is made of: lanes with bars and marks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.durations import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT, RIGHT, TOP = 164, 190, 44
WIDTH, MAX_WIDTH = 1180, 4000
LANE, THIN_LANE = 34, 26
CHARACTER = 6.6
TICK_EVERY = 90
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span of time: `look` says what it means, `title` tells it, `label` stands in it."""

    x: float
    width: float
    y: float
    height: float
    look: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An instant, with words on its right if `label` has some."""

    x: float
    y: float
    look: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A row: what it is about, and what happened in it."""

    y: float
    height: float
    label: str
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """An instant of the axis, by both clocks."""

    x: float
    incident: str
    wall: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A whole timeline; `bands` are the faults behind all lives, `looks` what a legend names."""

    width: float
    height: float
    top: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    bands: tuple[Bar, ...]
    looks: tuple[str, ...]
    is_scaled: bool
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From wall seconds to the drawing."""

    span_s: float
    scale: float
    width: float = WIDTH

    def x(self, at_s: float) -> float:
        """Where an instant is."""
        share = min(max(at_s, 0.0), self.span_s) / self.span_s
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def ticks(self) -> Iterator[Tick]:
        """Round instants of the incident's clock, with room between them."""
        span_s = self.span_s * self.scale
        most = (self.width - LEFT - RIGHT) / TICK_EVERY
        step_s = next((step for step in _STEPS if span_s / step <= most), None)
        step_s = step_s or _STEPS[-1] * max(1, round(span_s / _STEPS[-1] / most))
        for n in range(int(span_s / step_s + 1e-9) + 1):
            wall_s = n * step_s / self.scale
            yield Tick(x=self.x(wall_s), incident=plain(n * step_s), wall=plain(wall_s))


def fitting(text: str, room: float) -> str:
    """The text if it is no wider than `room`, else nothing."""
    return text if (len(text) + 1) * CHARACTER <= room else ""

"""The timeline of a history as lines: faults, a row for each life, two clocks. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.plural import counted
from crashloop.report.glyphs import UNICODE, Glyphs
from crashloop.report.grid import Grid
from crashloop.report.lines import Line, Span, Tone, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.control_span import ControlSpan
    from crashloop.report.history import History, LifeSpan

MAX_ROWS_SHOWN = 20
MIN_WIDTH = 50
LEFT = 12


def timeline(
    history: History,
    *,
    width: int = 100,
    glyphs: Glyphs = UNICODE,
    max_rows: int = MAX_ROWS_SHOWN,
    axis_s: float = 0.0,
) -> list[Line]:
    """The history drawn to `width` columns (50 at least).

    One replica has a row for each attempt, `max_rows` at most: the oldest are left out. Several
    have a heading each and a row for each attempt, or one row each where that is too much. A legend
    names what was drawn and nothing else. The axis is as long as the history, or `axis_s` wall
    seconds where that is longer.
    """
    width = max(width, MIN_WIDTH)
    before = [*control_lines(history, width=width, glyphs=glyphs)]
    if not history.lives and not history.faults:
        return before or [line(Span("nothing was started yet", Tone.DIM))]
    left = max([LEFT, *(len(label) + 1 for label in _labels(history))])
    grid = Grid(history, width=width, left=left, glyphs=glyphs, axis_s=axis_s)
    faults = [list(found) for _, found in groupby(history.faults, key=lambda one: one.name)]
    rows = _replicas if history.several else _attempts
    drawn = [*grid.clocks(), *map(grid.fault, faults), *rows(history, grid, max(1, max_rows))]
    tried = [grid.tries("journey")] if history.tries else []
    return [*before, *drawn, *tried, *grid.legend()]


def control_lines(history: History, *, width: int, glyphs: Glyphs = UNICODE) -> Iterator[Line]:
    """The control life: what was done in it, or where it failed; nothing where there was none."""
    control = history.control
    if control is None:
        return
    mark, tone = (glyphs.refuted, Tone.BAD) if control.what else (glyphs.holds, Tone.GOOD)
    if not control.what and not control.ended:
        mark, tone = glyphs.dot, Tone.RUNNING
    indent = " " * LEFT
    text = ", ".join(control_words(history, control))
    said = [*paragraph(text, width=width, indent=indent + "  ")]
    head = line(Span(f"{'control':{LEFT}}", Tone.DIM), Span(f"{mark} ", tone))
    for n, one in enumerate(said):
        yield one if n else (*head, Span(one[0].text[LEFT + 2 :]))


def control_words(history: History, control: ControlSpan) -> Iterator[str]:
    """What was done in the control life, one after the other, and what failed."""
    here = " here" if history.is_scaled else ""
    if control.setup_s is not None and control.what != "setup":
        yield f"setup took {control.setup_s:.1f} s{here}"
    if control.ready_after_s is not None:
        yield f"ready after {control.ready_after_s:.1f} s{here}"
    elif control.started and not control.what:
        yield "starting without a fault"
    if control.before:
        done = f"{control.before} of {counted(control.before_of, 'step')}"
        yield f"{done} before the fault passed"
    if control.passed:
        yield "journey passed"
    if control.what:
        died = f" ({control.exit})" if control.exit else ""
        yield f"{_FAILED.get(control.what, 'the control life failed')}{died}"


_FAILED = {
    "setup": "the setup command failed",
    "died": "the app died without a fault",
    "not_ready": "the app was not ready in time without a fault",
    "ready_path": "the readiness path does not answer with success",
    "before": "a step before the fault failed",
    "journey": "the journey failed without a fault",
}


def _labels(history: History) -> Iterator[str]:
    """The labels that rows may have."""
    yield f" attempt {max([1, *(life.attempt for life in history.lives)])}"
    if history.several:
        yield from map(_replica, history.by_replica().values())


def _attempts(history: History, grid: Grid, room: int) -> Iterator[Line]:
    """A row for each attempt of the only replica."""
    shown = history.lives[-room:]
    yield from _hidden([shown])
    for life in shown:
        yield grid.lives(f"attempt {life.attempt}", [life])


def _replicas(history: History, grid: Grid, room: int) -> Iterator[Line]:
    """Each replica's heading and attempts, or one row for each replica where they are many."""
    replicas = list(history.by_replica().values())
    yield from _hidden(replicas)
    if len(history.lives) + len(replicas) <= room:
        for lives in replicas:
            yield line(Span(_replica(lives), Tone.HEAD))
            for life in lives:
                yield grid.lives(f" attempt {life.attempt}", [life])
        return
    for lives in replicas[:room]:
        yield grid.lives(_replica(lives), lives)
    if len(replicas) > room:
        more = counted(len(replicas) - room, "more replica")
        yield line(Span(f"{'':{LEFT}}{more} not shown", Tone.DIM))


def _replica(lives: Sequence[LifeSpan]) -> str:
    return f"replica {lives[0].replica}" + (" old" if lives[0].old else "")


def _hidden(replicas: Sequence[Sequence[LifeSpan]]) -> Iterator[Line]:
    """How many attempts came before those that are shown, if any did."""
    before = sum(lives[0].attempt - 1 for lives in replicas if lives)
    if before > 0:
        text = f"{'':{LEFT}}{counted(before, 'earlier attempt')} not shown"
        yield line(Span(text, Tone.DIM))

"""The timeline of a history as lines: a fault bar, a row for each attempt, two clocks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.plural import counted
from crashloop.report.glyphs import UNICODE, Glyphs
from crashloop.report.history import Outcome
from crashloop.report.lines import Line, Span, Tone, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.report.history import AttemptSpan, FaultSpan, History, PhaseSpan

MAX_ATTEMPTS_SHOWN = 20
MIN_WIDTH = 50
LEFT = 12
RIGHT = 10
TICK_EVERY = 10
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)

_TONES = {
    Outcome.COMPLETED: (Tone.DONE, Tone.DONE),
    Outcome.FAILED: (Tone.FAILED, Tone.FAILED_LABEL),
    Outcome.DEGRADED: (Tone.DEGRADED, Tone.DEGRADED_LABEL),
    Outcome.RUNNING: (Tone.RUNNING, Tone.RUNNING),
    Outcome.CUT: (Tone.DIM, Tone.DIM),
}


def timeline(
    history: History,
    *,
    width: int = 100,
    glyphs: Glyphs = UNICODE,
    max_attempts: int = MAX_ATTEMPTS_SHOWN,
    axis_s: float = 0.0,
) -> list[Line]:
    """The history drawn to `width` columns (50 at least); the oldest attempts are left out.

    `max_attempts` rows at most. A legend names what was drawn and nothing else. The axis is as long
    as the history, or `axis_s` wall seconds where that is longer.
    """
    if not history.attempts and not history.faults:
        return [line(Span("nothing was started yet", Tone.DIM))]
    grid = _Grid(history, width=max(width, MIN_WIDTH), glyphs=glyphs, axis_s=axis_s)
    shown = history.attempts[-max(1, max_attempts) :]
    folded = len(history.attempts) - len(shown)
    first = history.attempts[0].number if history.attempts else 1
    before = folded + first - 1
    lines = [*grid.clocks(), *(grid.fault(f) for f in history.faults)]
    if before:
        folded_here = f"{'':{LEFT}}{counted(before, 'earlier attempt')} not shown"
        lines.append(line(Span(folded_here, Tone.DIM)))
    lines += [grid.attempt(one) for one in shown]
    return [*lines, *grid.legend()]


@dataclass(slots=True)
class _Row:
    """Cells of one row: characters and their tones."""

    cells: int
    text: list[str] = field(init=False)
    tones: list[Tone] = field(init=False)

    def __post_init__(self) -> None:
        self.text = [" "] * self.cells
        self.tones = [Tone.PLAIN] * self.cells

    def put(self, start: int, text: str, tone: Tone) -> None:
        """Write `text` from cell `start` on; what does not fit is left out."""
        for i, character in enumerate(text, start=start):
            if 0 <= i < self.cells:
                self.text[i], self.tones[i] = character, tone

    def spans(self) -> Iterator[Span]:
        """Neighbours of one tone together, without the blanks at the end."""
        start, end = 0, len("".join(self.text).rstrip())
        for i in range(1, end + 1):
            if i == end or self.tones[i] is not self.tones[start]:
                yield Span("".join(self.text[start:i]), self.tones[start])
                start = i


class _Grid:
    """Seconds to columns, and the rows on them."""

    def __init__(self, history: History, *, width: int, glyphs: Glyphs, axis_s: float) -> None:
        self._history = history
        self._glyphs = glyphs
        self._axis = width - LEFT - RIGHT
        self._width = width
        self._end_s = max(history.span_s, 1e-6)
        self._span_s = max(self._end_s, axis_s)
        self._used: dict[str, str] = {}

    def clocks(self) -> Iterator[Line]:
        """The incident's seconds, and below them this machine's where they differ."""
        incident, wall, marks = (_Row(self._axis + RIGHT) for _ in range(3))
        scale = self._history.scale
        span_s = self._span_s * scale
        step_s = next((s for s in _STEPS if s / span_s * self._axis >= TICK_EVERY), None)
        step_s = step_s or _STEPS[-1] * max(1, round(span_s / _STEPS[-1] / 6))
        for n in range(int(span_s / step_s + 1e-9) + 1):
            column = self._column(n * step_s / scale)
            incident.put(column, f"{n * step_s:g}", Tone.PLAIN)
            wall.put(column, f"{n * step_s / scale:.4g}", Tone.DIM)
            marks.put(column, self._glyphs.tick, Tone.DIM)
        name = "incident s" if self._history.is_scaled else "seconds"
        yield line(Span(f"{name:{LEFT}}", Tone.DIM), *incident.spans())
        if self._history.is_scaled:
            yield line(Span(f"{'wall s':{LEFT}}", Tone.DIM), *wall.spans())
        yield line(" " * LEFT, *marks.spans())

    def fault(self, fault: FaultSpan) -> Line:
        """One fault's bar, its name inside if there is room, else after it."""
        row = _Row(self._axis + RIGHT)
        start = self._column(fault.start_s)
        end = max(start + 1, self._column(min(fault.end_s, self._end_s)))
        glyph = self._glyphs.fault if fault.plugged else self._glyphs.unplugged
        self._mark(glyph, "fault in place" if fault.plugged else "fault unplugged: nothing done")
        row.put(start, glyph * (end - start), Tone.FAULT if fault.plugged else Tone.DIM)
        name = f" {fault.name}: {fault.kind} "
        name = name if len(name) + 4 <= end - start else f" {fault.kind} "
        tone = Tone.FAULT_LABEL if fault.plugged else Tone.DIM
        if len(name) + 2 <= end - start:
            row.put(start + 2, name, tone)
        if fault.healed and fault.plugged:
            row.put(end, f"{self._glyphs.healed} healed", Tone.FAULT)
            self._mark(self._glyphs.healed, "fault healed")
        return line(Span(f"{'fault':{LEFT}}", Tone.DIM), *row.spans())

    def attempt(self, attempt: AttemptSpan) -> Line:
        """One attempt: process start, phases, serving, and how it ended."""
        row = _Row(self._axis + RIGHT)
        for fault in self._history.faults:
            if fault.healed and fault.plugged:
                row.put(self._column(fault.end_s), self._glyphs.healed_line, Tone.DIM)
        self._bar(row, attempt.start_s, attempt.end_s, self._glyphs.boot, Tone.BOOT)
        self._mark(self._glyphs.boot, "process alive")
        ends = [self._phase(row, phase) for phase in sorted(attempt.phases, key=_weight)]
        self._serving(row, attempt)
        # Even the shortest phase takes a column, so that the attempt's end is drawn after it.
        end = max(self._column(attempt.end_s), *ends, 0)
        if attempt.died:
            row.put(end, f"{self._glyphs.died} {attempt.exit}", Tone.BAD)
            self._mark(self._glyphs.died, "died")
        elif attempt.ready_s is not None:
            row.put(end, " ready", Tone.READY)
        elif attempt.exit:
            row.put(end, " stopped", Tone.DIM)
        return line(Span(f"{f'attempt {attempt.number}':{LEFT}}", Tone.PLAIN), *row.spans())

    def _phase(self, row: _Row, phase: PhaseSpan) -> int:
        """Draw one phase; return the column after it."""
        glyph = str(getattr(self._glyphs, phase.outcome.value))
        tone, label_tone = _TONES[phase.outcome]
        words = {Outcome.COMPLETED: "phase done", Outcome.CUT: "phase cut short"}
        self._mark(glyph, words.get(phase.outcome, f"phase {phase.outcome.value}"))
        start, end = self._bar(row, phase.start_s, phase.end_s, glyph, tone)
        name = f" {phase.name} "
        if len(name) + 2 <= end - start:
            row.put(start + (end - start - len(name)) // 2, name, label_tone)
        return end

    def _serving(self, row: _Row, attempt: AttemptSpan) -> None:
        if attempt.serves_s is not None and attempt.serves_s != attempt.ready_s:
            until_s = attempt.end_s if attempt.ready_s is None else attempt.ready_s
            self._bar(row, attempt.serves_s, until_s, self._glyphs.waiting, Tone.DEGRADED)
            row.put(self._column(attempt.serves_s), self._glyphs.serves, Tone.DEGRADED)
            self._mark(self._glyphs.serves, "serves, not ready")
        if attempt.ready_s is not None:
            self._bar(row, attempt.ready_s, attempt.end_s, self._glyphs.serving, Tone.SERVING)
            row.put(self._column(attempt.ready_s), self._glyphs.ready, Tone.READY)
            self._mark(self._glyphs.ready, "ready")

    def legend(self) -> Iterator[Line]:
        """What was drawn, in as many lines as it needs."""
        words = [f"{glyph} {meaning}" for glyph, meaning in self._used.items()]
        current = " " * LEFT
        for word in words:
            if current.strip() and len(current) + len(word) > self._width:
                yield line(Span(current.rstrip(), Tone.DIM))
                current = " " * LEFT
            current += f"{word}   "
        yield line(Span(current.rstrip(), Tone.DIM))

    def _bar(
        self, row: _Row, start_s: float, end_s: float, glyph: str, tone: Tone
    ) -> tuple[int, int]:
        start = self._column(start_s)
        end = max(self._column(end_s), start + 1)
        row.put(start, glyph * (end - start), tone)
        return start, end

    def _column(self, at_s: float) -> int:
        return round(min(max(at_s, 0.0), self._span_s) / self._span_s * self._axis)

    def _mark(self, glyph: str, meaning: str) -> None:
        self._used.setdefault(glyph, meaning)


def _weight(phase: PhaseSpan) -> int:
    """The order of drawing: what must stay visible in a shared column is drawn last."""
    order = (Outcome.COMPLETED, Outcome.CUT, Outcome.RUNNING, Outcome.DEGRADED, Outcome.FAILED)
    return order.index(phase.outcome)

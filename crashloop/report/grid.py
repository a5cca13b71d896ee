"""The grid of a timeline: seconds to columns, and the rows drawn on them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.report.history import PhaseEnd
from crashloop.report.lines import Line, Span, Tone, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.glyphs import Glyphs
    from crashloop.report.history import FaultSpan, History, LifeSpan, PhaseSpan

RIGHT = 10
TICK_EVERY = 10
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)

_TONES = {
    PhaseEnd.COMPLETED: (Tone.DONE, Tone.DONE),
    PhaseEnd.FAILED: (Tone.FAILED, Tone.FAILED_LABEL),
    PhaseEnd.DEGRADED: (Tone.DEGRADED, Tone.DEGRADED_LABEL),
    PhaseEnd.RUNNING: (Tone.RUNNING, Tone.RUNNING),
    PhaseEnd.CUT: (Tone.DIM, Tone.DIM),
}


@dataclass(slots=True)
class Row:
    """Cells of one row: characters, their tones, and what the glyphs among them mean."""

    cells: int
    text: list[str] = field(init=False)
    tones: list[Tone] = field(init=False)
    meanings: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.text = [" "] * self.cells
        self.tones = [Tone.PLAIN] * self.cells
        self.meanings = [""] * self.cells

    def put(self, start: int, text: str, tone: Tone, meaning: str = "") -> None:
        """Write `text` from cell `start` on; what does not fit is left out."""
        for i, character in enumerate(text, start=start):
            if 0 <= i < self.cells:
                self.text[i], self.tones[i], self.meanings[i] = character, tone, meaning

    def spans(self) -> Iterator[Span]:
        """Neighbours of one tone together, without the blanks at the end."""
        start, end = 0, len("".join(self.text).rstrip())
        for i in range(1, end + 1):
            if i == end or self.tones[i] is not self.tones[start]:
                yield Span("".join(self.text[start:i]), self.tones[start])
                start = i


class Grid:
    """Draws the rows of a history; `left` columns are for their labels."""

    def __init__(
        self, history: History, *, width: int, left: int, glyphs: Glyphs, axis_s: float
    ) -> None:
        self._history = history
        self._glyphs = glyphs
        self._left = left
        self._axis = width - left - RIGHT
        self._width = width
        self._end_s = max(history.span_s, 1e-6)
        self._span_s = max(self._end_s, axis_s)
        self._used: dict[str, str] = {}

    def clocks(self) -> Iterator[Line]:
        """The incident's seconds, and below them this machine's where they differ."""
        incident, wall, marks = self._row(), self._row(), self._row()
        scale = self._history.scale
        span_s = self._span_s * scale
        step_s = next((s for s in _STEPS if s / span_s * self._axis >= TICK_EVERY), None)
        step_s = step_s or _STEPS[-1] * max(1, round(span_s / _STEPS[-1] / 6))
        for n in range(int(span_s / step_s + 1e-9) + 1):
            column = self._column(n * step_s / scale)
            incident.put(column, plain(n * step_s), Tone.PLAIN)
            wall.put(column, plain(n * step_s / scale), Tone.DIM)
            marks.put(column, self._glyphs.tick, Tone.DIM)
        name = "incident s" if self._history.is_scaled else "seconds"
        yield self._line(name, incident, Tone.DIM)
        if self._history.is_scaled:
            yield self._line("wall s", wall, Tone.DIM)
        yield self._line("", marks)

    def fault(self, spans: Sequence[FaultSpan]) -> Line:
        """One fault's bars, its name inside if there is room; `spans` are its injections."""
        row = self._row()
        for fault in spans:
            start = self._column(fault.start_s)
            end = max(start + 1, self._column(min(fault.end_s, self._end_s)))
            glyph, tone, meaning = self._glyphs.fault, Tone.FAULT, "fault in place"
            if not fault.plugged:
                glyph, tone = self._glyphs.unplugged, Tone.DIM
                meaning = "fault unplugged: nothing done"
            row.put(start, glyph * (end - start), tone, meaning)
            name = f" {fault.name}: {fault.kind} "
            name = name if len(name) + 4 <= end - start else f" {fault.kind} "
            tone = Tone.FAULT_LABEL if fault.plugged else Tone.DIM
            if len(name) + 2 <= end - start:
                row.put(start + 2, name, tone)
            if fault.healed and fault.plugged:
                row.put(end, self._glyphs.healed, Tone.FAULT, "fault healed")
                if fault is spans[-1]:
                    row.put(end + 1, " healed", Tone.FAULT)
        return self._line(spans[0].target[: self._left - 1], row, Tone.DIM)

    def tries(self, label: str) -> Line:
        """The tries of the journey, each where it ended; a failure hides no success."""
        row = self._row()
        for one in sorted(self._history.tries, key=lambda each: each.passed):
            glyph, tone, meaning = self._glyphs.try_failed, Tone.BAD, "try of the journey failed"
            if one.passed:
                glyph, tone, meaning = self._glyphs.try_passed, Tone.GOOD, "try passed"
            row.put(self._column(one.at_s), glyph, tone, meaning)
        return self._line(label, row, Tone.DIM)

    def lives(self, label: str, lives: Sequence[LifeSpan]) -> Line:
        """Lives that follow each other in one row, and how the last one ended."""
        row = self._row()
        for fault in self._history.faults:
            if fault.healed and fault.plugged:
                row.put(self._column(fault.end_s), self._glyphs.healed_line, Tone.DIM)
        ends = [self._life(row, life) for life in lives]
        for life, end in zip(lives, ends, strict=True):
            if life.died:
                row.put(end, self._glyphs.died, Tone.BAD, "died")
        last, end = lives[-1], ends[-1]
        if last.died:
            row.put(end + 1, f" {last.exit}", Tone.BAD)
        elif last.ready_s is not None and not (last.old and last.exit):
            row.put(end, " ready", Tone.READY)
        elif last.exit:
            row.put(end, " stopped", Tone.DIM)
        return self._line(label, row)

    def legend(self) -> Iterator[Line]:
        """What can be seen, in as many lines as it needs."""
        words = [f"{glyph} {meaning}" for glyph, meaning in self._used.items()]
        if any(life.old for life in self._history.lives):
            words.append("old: of the revision before")
        current = " " * self._left
        for word in words:
            if current.strip() and len(current) + len(word) > self._width:
                yield line(Span(current.rstrip(), Tone.DIM))
                current = " " * self._left
            current += f"{word}   "
        yield line(Span(current.rstrip(), Tone.DIM))

    def _life(self, row: Row, life: LifeSpan) -> int:
        """Draw process start, phases, serving, probes and kills; return the column of its end."""
        alive = life.start_s, life.end_s
        start, _ = self._bar(row, alive, self._glyphs.boot, Tone.BOOT, "process alive")
        ends = [self._phase(row, phase, life) for phase in sorted(life.phases, key=_weight)]
        # What is short takes a column all the same, so the life's end is drawn after it.
        ends += self._held(row, life)
        end = max(self._column(life.end_s), self._serving(row, life), *ends)
        self._signs(row, life, start=start, end=end)
        return end

    def _phase(self, row: Row, phase: PhaseSpan, life: LifeSpan) -> int:
        """Draw one phase of a life; return the column after it."""
        glyph = str(getattr(self._glyphs, phase.outcome.value))
        tone, label_tone = _TONES[phase.outcome]
        words = {PhaseEnd.COMPLETED: "phase done", PhaseEnd.CUT: "phase cut short"}
        meaning = words.get(phase.outcome, f"phase {phase.outcome.value}")
        start, end = self._bar(row, (phase.start_s, phase.end_s), glyph, tone, meaning)
        name = f" {phase.name} "
        room = end - start
        if phase is life.last_phase:
            room -= len(life.probes) + len(life.kills)
        if len(name) + 2 <= room:
            row.put(start + (room - len(name)) // 2, name, label_tone)
        return end

    def _held(self, row: Row, life: LifeSpan) -> Iterator[int]:
        """Draw when a life that began no phase waited on a held connection; the columns after."""
        for link in () if life.phases else life.held:
            span_s = link.start_s, link.end_s
            yield self._bar(
                row, span_s, self._glyphs.held, Tone.FAILED, "waits on a held connection"
            )[1]

    def _serving(self, row: Row, life: LifeSpan) -> int:
        """Draw when it served and when it was ready; return the column after the marks, or 0."""
        end, glyphs = 0, self._glyphs
        if life.serves_s is not None and life.serves_s != life.ready_s:
            span_s = life.serves_s, life.end_s if life.ready_s is None else life.ready_s
            start, _ = self._bar(row, span_s, glyphs.waiting, Tone.DEGRADED)
            row.put(start, glyphs.serves, Tone.DEGRADED, "serves, not ready")
            end = start + 1
        if life.ready_s is not None:
            span_s = life.ready_s, life.end_s
            start, _ = self._bar(row, span_s, glyphs.serving, Tone.SERVING)
            row.put(start, glyphs.ready, Tone.READY, "ready")
            end = start + 1
        return end

    def _signs(self, row: Row, life: LifeSpan, *, start: int, end: int) -> None:
        """Draw probes that failed and kills, each in its column or in the next free one before."""
        signs = [(probe.at_s, self._glyphs.probe_failed, "probe failed") for probe in life.probes]
        signs += [
            (kill.at_s, self._glyphs.killed, "signal from the platform") for kill in life.kills
        ]
        free = end - 1
        for at_s, glyph, meaning in sorted(signs, key=lambda one: one[0], reverse=True):
            column = min(self._column(at_s), free)
            if column < start:
                return
            row.put(column, glyph, Tone.BAD, meaning)
            free = column - 1

    def _row(self) -> Row:
        return Row(self._axis + RIGHT)

    def _line(self, label: str, row: Row, tone: Tone = Tone.PLAIN) -> Line:
        for glyph, meaning in zip(row.text, row.meanings, strict=True):
            if meaning:
                self._used.setdefault(glyph, meaning)
        return line(Span(f"{label:{self._left}}", tone), *row.spans())

    def _bar(
        self, row: Row, span_s: tuple[float, float], glyph: str, tone: Tone, meaning: str = ""
    ) -> tuple[int, int]:
        start = self._column(span_s[0])
        end = max(self._column(span_s[1]), start + 1)
        row.put(start, glyph * (end - start), tone, meaning)
        return start, end

    def _column(self, at_s: float) -> int:
        return round(min(max(at_s, 0.0), self._span_s) / self._span_s * self._axis)


def _weight(phase: PhaseSpan) -> int:
    """The order of drawing: what must stay visible in a shared column is drawn last."""
    order = (PhaseEnd.COMPLETED, PhaseEnd.CUT, PhaseEnd.RUNNING, PhaseEnd.DEGRADED, PhaseEnd.FAILED)
    return order.index(phase.outcome)

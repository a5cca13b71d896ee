"""The timeline of a history as a chart: faults, a lane for each attempt, the journey. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.report.history import PhaseEnd
from crashloop.report.page.chart import (
    LANE,
    LEFT,
    MAX_WIDTH,
    THIN_LANE,
    TOP,
    WIDTH,
    Axis,
    Bar,
    Chart,
    Lane,
    Mark,
    fitting,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.history import FaultSpan, History, LifeSpan, PhaseSpan
    from crashloop.report.page.contacts import Contact

MAX_LIVES_APART = 40
MAX_LANES = 60
MAX_DRAWN = 600
LIFE_WIDTH = 24
_PHASE, _LINK = (5.0, 15.0), (23.0, 4.0)
_SAID = {
    PhaseEnd.COMPLETED: "done",
    PhaseEnd.FAILED: "failed",
    PhaseEnd.DEGRADED: "did not succeed, and the app went on without it",
    PhaseEnd.RUNNING: "was still running",
    PhaseEnd.CUT: "cut short by the end of its process",
}


def chart_of(history: History, contacts: Sequence[Contact]) -> Chart | None:
    """The chart of a run; None if nothing was started."""
    if not history.lives and not history.faults:
        return None
    rows = [*_rows(history)]
    shown = [(name, lives[-MAX_DRAWN // len(rows) :]) for name, lives in rows[:MAX_LANES]]
    most = max([len(lives) for _, lives in shown], default=0)
    width = min(max(WIDTH, most * LIFE_WIDTH), MAX_WIDTH)
    axis = Axis(span_s=max(history.span_s, 1e-6), scale=history.scale, width=width)
    drawing = _Drawing(history, axis, contacts)
    y = float(TOP)
    lanes: list[Lane] = []
    for _, spans in groupby(history.faults, key=lambda fault: fault.name):
        lanes.append(drawing.fault([*spans], y))
        y += THIN_LANE
    for label, lives in shown:
        lanes.append(drawing.lives(label, lives, y))
        y += LANE
    if history.tries:
        lanes.append(drawing.tries(y))
        y += THIN_LANE
    looks = [bar.look for lane in lanes for bar in lane.bars]
    looks += [mark.look for lane in lanes for mark in lane.marks]
    return Chart(
        width=width,
        height=y + 10,
        top=TOP,
        ticks=tuple(axis.ticks()),
        lanes=tuple(lanes),
        bands=tuple(drawing.bands(y)),
        looks=tuple(dict.fromkeys(looks)),
        is_scaled=history.is_scaled,
        left_out=len(history.lives) - sum(len(lives) for _, lives in shown),
    )


def _rows(history: History) -> Iterator[tuple[str, list[LifeSpan]]]:
    """Each attempt apart, or where there are many those of a replica together."""
    for replica, lives in history.by_replica().items():
        name = f"replica {replica}" if history.several else ""
        if len(history.lives) > MAX_LIVES_APART:
            yield name or f"{len(lives)} attempts", lives
            continue
        for life in lives:
            attempt = f"attempt {life.attempt}"
            whose = f"old {name}" if life.old else name
            yield f"{whose}, {attempt}" if whose else attempt, [life]


class _Drawing:
    """Makes the lanes of one history."""

    def __init__(self, history: History, axis: Axis, contacts: Sequence[Contact]) -> None:
        self._history = history
        self._axis = axis
        self._contacts: dict[tuple[int, int], list[Contact]] = {}
        for contact in contacts:
            self._contacts.setdefault(contact.life, []).append(contact)

    def bands(self, bottom: float) -> Iterator[Bar]:
        """Each fault that acted, from its injection to its heal, behind the lanes."""
        for fault in self._history.faults:
            if fault.plugged:
                title = self._fault_words(fault)
                span_s = fault.start_s, fault.end_s
                yield self._bar(span_s, (TOP, bottom - TOP), "band", title)

    def fault(self, spans: Sequence[FaultSpan], y: float) -> Lane:
        """The injections of one fault."""
        bars, marks = [], []
        for fault in spans:
            look = "fault" if fault.plugged else "unplugged"
            span_s, name = (fault.start_s, fault.end_s), f"{fault.name}: {fault.kind}"
            name = fault.kind if fault.kind == fault.name else name
            title = self._fault_words(fault)
            bars.append(self._bar(span_s, (y + 4, 16), look, title, name, fault.kind))
            if fault.healed and fault.plugged:
                label = f"healed at {self._when(fault.end_s)}" if fault is spans[-1] else ""
                marks.append(self._mark(fault.end_s, y + 12, "healed", title, label))
        label = self._history.target(spans[0].target)
        return Lane(y=y, height=THIN_LANE, label=label, bars=tuple(bars), marks=tuple(marks))

    def tries(self, y: float) -> Lane:
        """Every try of the journey where it ended."""
        marks = []
        for one in self._history.tries:
            how = "passed" if one.passed else f"failed: {one.why}"
            title = f"try {one.number} of the journey at {self._when(one.at_s)} {how}"
            look = "try-passed" if one.passed else "try-failed"
            marks.append(self._mark(one.at_s, y + 13, look, title))
        return Lane(y=y, height=THIN_LANE, label="journey", marks=tuple(marks))

    def lives(self, label: str, lives: Sequence[LifeSpan], y: float) -> Lane:
        """Lives that follow each other, and how the last one ended."""
        bars: list[Bar] = []
        marks: list[Mark] = []
        for life in lives:
            bars += self._life(life, y)
            marks += self._marks(life, y, is_last=life is lives[-1])
            for contact in self._contacts.get((life.replica, life.attempt), ()):
                if contact.is_span:
                    span_s = contact.start_s, min(contact.end_s, life.end_s)
                    place = y + _LINK[0], _LINK[1]
                    bars.append(self._bar(span_s, place, contact.look, contact.says))
                else:
                    at_y = y + _LINK[0] + 2
                    marks.insert(0, self._mark(contact.start_s, at_y, contact.look, contact.says))
        return Lane(y=y, height=LANE, label=label, bars=tuple(bars), marks=tuple(marks))

    def _life(self, life: LifeSpan, y: float) -> Iterator[Bar]:
        """When the process was alive, its phases, and when it served."""
        place = y + _PHASE[0], _PHASE[1]
        who = self._history.name(life)
        until = f" to {self._when(life.end_s)}" if life.exit else ""
        title = f"{who}: alive from {self._when(life.start_s)}{until}"
        yield self._bar((life.start_s, life.end_s), place, "alive", title)
        for phase in life.phases:
            span_s = phase.start_s, phase.end_s
            title = f"{who}: {self._phase_words(phase)}"
            yield self._bar(span_s, place, phase.outcome.value, title, phase.name)
        ready_s = life.ready_s
        if life.serves_s is not None and life.serves_s != ready_s:
            span_s = life.serves_s, life.end_s if ready_s is None else ready_s
            title = f"{who}: serves from {self._when(span_s[0])} on, not ready"
            yield self._bar(span_s, place, "waiting", title)
        if ready_s is not None:
            title = f"{who}: ready from {self._when(ready_s)} on"
            yield self._bar((ready_s, life.end_s), place, "serving", title)

    def _marks(self, life: LifeSpan, y: float, *, is_last: bool) -> Iterator[Mark]:
        """Probes that failed, signals, readiness, and the end."""
        who, middle = self._history.name(life), y + _PHASE[0] + _PHASE[1] / 2
        for probe in life.probes:
            title = f"{who}: {probe.probe} failed {probe.failures} in a row"
            yield self._mark(probe.at_s, y + 3, "probe-failed", f"{title}, {self._at(probe.at_s)}")
        for kill in life.kills:
            title = f"{who}: {kill.signal} for the {kill.by}, {self._at(kill.at_s)}"
            yield self._mark(kill.at_s, middle, "killed", title)
        if life.ready_s is not None:
            title = f"{who}: ready {self._at(life.ready_s)}"
            label = "ready" if is_last and not life.exit else ""
            yield self._mark(life.ready_s, middle, "ready", title, label)
        if life.died:
            failed = [each.name for each in life.phases if each.outcome is PhaseEnd.FAILED]
            label = life.exit + (f" in {failed[-1]}" if failed else "")
            title = f"{who}: died with {life.exit}, {self._at(life.end_s)}"
            yield self._mark(life.end_s, middle, "died", title, label if is_last else "")
        elif life.exit and is_last:
            title = f"{who}: ended with {life.exit} when it was asked to"
            label = "ready, then stopped" if life.ready_s is not None else "stopped"
            yield self._mark(life.end_s, middle, "stopped", title, label)

    def _phase_words(self, phase: PhaseSpan) -> str:
        took = f"{plain(round(self._history.incident_s(phase.took_s), 1))} s"
        limit = ""
        if phase.limit_s:
            limit = f" of {plain(round(self._history.incident_s(phase.limit_s), 1))} s"
        error = f", {phase.error}" if phase.error else ""
        return f"phase {phase.name} {_SAID[phase.outcome]} after {took}{limit}{error}"

    def _fault_words(self, fault: FaultSpan) -> str:
        until = f"healed {self._at(fault.end_s)}" if fault.healed else "not healed"
        done = f"injected {self._at(fault.start_s)}, {until}"
        return f"fault {fault.name} ({fault.says}): {done if fault.plugged else 'planned only'}"

    def _bar(
        self,
        span_s: tuple[float, float],
        place: tuple[float, float],
        look: str,
        title: str,
        *labels: str,
    ) -> Bar:
        x = self._axis.x(span_s[0])
        width = max(round(self._axis.x(span_s[1]) - x, 1), 1.5)
        label = next((text for text in labels if fitting(text, width)), "")
        return Bar(
            x=x, width=width, y=place[0], height=place[1], look=look, title=title, label=label
        )

    def _mark(self, at_s: float, y: float, look: str, title: str, label: str = "") -> Mark:
        return Mark(x=max(self._axis.x(at_s), LEFT), y=y, look=look, title=title, label=label)

    def _at(self, wall_s: float) -> str:
        return f"at {self._when(wall_s)}"

    def _when(self, wall_s: float) -> str:
        if not self._history.is_scaled:
            return f"{wall_s:.1f} s"
        return f"{self._history.incident_s(wall_s):.0f} s ({wall_s:.2f} s here)"

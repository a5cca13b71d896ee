"""A comparison as a table: what each remedy showed, which criteria it meets, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.durations import about, plain
from crashloop.model.comparison import Met
from crashloop.plural import counted
from crashloop.report.clean import clean
from crashloop.report.comparison_words import conclusion, rate_words, recovery_words, sentences
from crashloop.report.glyphs import UNICODE, Glyphs
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model.comparison import Arm, Comparison, Criterion

WIDE = 118
NAME, TRIALS, CELL, RECOVERY, PEAK = 26, 7, 15, 12, 5
INDENT = "  "
MAX_NAME = 40

HEADS = ("success", "phase failure", "loops", "golden path", "recovery", "peak")
LEGEND = (
    "success: lives that became ready; phase failure: lives that failed in the phase of the "
    "incident; loops: trials with a restart loop; golden path: replicas whose journey passed; each "
    "with its 95 % interval. recovery: seconds of the incident from the heal until ready, in which "
    "real work counts as long as it takes here, median and 90th percentile (-: not before the "
    "trial ended). peak: the most sessions in the database at once."
)
WORDS = {
    Met.MET: ("met", Tone.GOOD),
    Met.NOT_MET: ("NOT MET", Tone.BAD),
    Met.NOT_ENOUGH_TRIALS: ("undecided", Tone.DOUBT),
}


def comparison_table(
    comparison: Comparison, *, width: int, glyphs: Glyphs = UNICODE
) -> Iterator[Line]:
    """The whole comparison: a title, the arms of each connector, and what they add up to."""
    yield _title(comparison)
    for connector in dict.fromkeys(arm.connector for arm in comparison.arms):
        yield BLANK
        if connector:
            yield line(Span(f"behind the connector {clean(connector, MAX_NAME)}", Tone.HEAD))
        yield from _head(wide=width >= WIDE)
        for arm in (each for each in comparison.arms if each.connector == connector):
            yield from arm_lines(arm, comparison.criteria, width=width, glyphs=glyphs)
    yield BLANK
    yield from paragraph(LEGEND, width=width, indent="", tone=Tone.DIM)
    yield BLANK
    yield from paragraph(conclusion(comparison), width=width, indent="")


def arm_lines(
    arm: Arm, criteria: Sequence[Criterion], *, width: int, glyphs: Glyphs = UNICODE
) -> Iterator[Line]:
    """One arm: its figures, each criterion, and a sentence about it."""
    words, tone = WORDS[arm.result]
    is_wide = width >= WIDE
    name = Span(f"{clean(arm.remedy, MAX_NAME):{NAME}} {arm.counted:>{TRIALS}}  ", Tone.HEAD)
    if is_wide:
        yield line(name, _figures(cells(arm), wide=True))
    else:
        yield line(name, Span(words, tone))
        yield line(INDENT, _figures(cells(arm), wide=False))
    yield from _results(arm, criteria, width=width, glyphs=glyphs)
    for says in sentences(arm, criteria):
        yield from paragraph(says, width=width, indent=INDENT * 2, hanging=INDENT * 3)


def _title(comparison: Comparison) -> Line:
    trials = sum(arm.trials for arm in comparison.arms)
    facts = [
        clean(comparison.platform, MAX_NAME),
        f"x{plain(comparison.time_scale)}",
        f"seed {comparison.seed}",
        f"{counted(trials, 'trial')} in {about(comparison.wall_s)}",
    ]
    return line(
        Span(clean(comparison.incident, MAX_NAME), Tone.HEAD),
        Span(f"  {'  '.join(facts)}", Tone.DIM),
    )


def _head(*, wide: bool) -> Iterator[Line]:
    name = f"{'remedy':{NAME}} {'trials':>{TRIALS}}  "
    figures = _figures(HEADS, wide=wide)
    if wide:
        yield line(Span(name + figures, Tone.HEAD))
    else:
        yield line(Span(f"{name}result", Tone.HEAD))
        yield line(Span(f"{INDENT}{figures}", Tone.HEAD))


def cells(arm: Arm) -> list[str]:
    """The figures of an arm, in the order of HEADS."""
    rates = (arm.success, arm.phase_failure, arm.loops, arm.golden_path)
    peak = "-" if arm.connections_peak is None else str(arm.connections_peak)
    return [*map(rate_words, rates), recovery_words(arm.recovery), peak]


def _figures(cells: Sequence[str], *, wide: bool) -> str:
    *rates, recovery, peak = cells
    room = CELL + 1 if wide else CELL
    return "".join(f"{cell:{room}}" for cell in rates) + f"{recovery:{RECOVERY}}{peak:>{PEAK}}"


def _results(
    arm: Arm, criteria: Sequence[Criterion], *, width: int, glyphs: Glyphs
) -> Iterator[Line]:
    """Each criterion with its mark, in as many lines as it takes."""
    marks = {
        Met.MET: glyphs.holds,
        Met.NOT_MET: glyphs.refuted,
        Met.NOT_ENOUGH_TRIALS: glyphs.nothing,
    }
    spans: list[Span] = []
    used = 0
    for criterion, each in zip(criteria, arm.criteria, strict=True):
        text = f"{marks[each.result]} {criterion}"
        if spans and len(INDENT) * 2 + used + len(text) > width:
            yield line(INDENT * 2, *spans)
            spans, used = [], 0
        gap = INDENT if spans else ""
        spans.append(Span(f"{gap}{text}", WORDS[each.result][1]))
        used += len(text) + len(INDENT)
    if spans:
        yield line(INDENT * 2, *spans)

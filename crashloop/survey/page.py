"""What `crashloop check` prints: its plan before, its results after. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.durations import about, together_s
from crashloop.model import Outcome
from crashloop.plural import counted, listed
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, command_lines, line, paragraph
from crashloop.survey.baseline import is_better
from crashloop.survey.result import Met
from crashloop.survey.table import (
    INDENT,
    NAME,
    dependencies_table,
    inapplicable,
    last_lines,
    results_table,
    totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crashloop.survey.execution import Found
    from crashloop.survey.plan import Group, Planned

_SAID = {
    0: (" MET ", Tone.REPRODUCED),
    10: (" NOT MET ", Tone.HARNESS_ERROR),
    11: (" INCONCLUSIVE ", Tone.INCONCLUSIVE),
    12: (" HARNESS ERROR ", Tone.HARNESS_ERROR),
    13: (" NEVER STARTED ", Tone.HARNESS_ERROR),
}
_BAD = {Met.NOT_MET, Met.INCONCLUSIVE, Met.HARNESS}


def check_page(
    found: Found,
    *,
    app: str,
    require: Outcome,
    status: int,
    folder: str,
    update: str,
    width: int,
) -> Iterator[Line]:
    """The table of the outages and that of the dependencies, and whether all is as required.

    `update` is the command that makes the baseline stricter.
    """
    yield line(Span(clean(app, 60), Tone.HEAD), f"  {totals(found.results)}")
    yield BLANK
    if found.stopped:
        more = "more " if len(found.controls) > 1 else ""
        yield from paragraph(f"no {more}fault was tried: {clean(found.stopped)}", width=width)
        yield from last_lines(found.controls[-1].lines, width=width)
    if not found.stopped or len(found.controls) > 1:
        yield from rows(found, width=width)
    yield BLANK
    badge, tone = _SAID[status]
    must = "recovers from" if require is Outcome.RECOVERED else "survives"
    wanted = f"  required: it {must} each outage that applies"
    failed = [each.incident for each in found.results if each.met in _BAD]
    yield line(Span(badge, tone), wanted)
    if failed and not found.stopped:
        yield from paragraph(f"see {listed(failed)}", width=width)
    if update and is_better(found.results):
        yield from command_lines("  keep what got better  ", update, width=width)
    yield line(Span("  evidence              ", Tone.HEAD), clean(folder, 2000))
    again = next((each.command for each in found.results if each.met in _BAD), "")
    if again:
        yield from command_lines("  run one of them again ", again, width=width)


def rows(found: Found, *, width: int) -> Iterator[Line]:
    """The two tables, of what has been found."""
    yield from results_table(found.results, width=width)
    if found.needs:
        yield BLANK
        yield from dependencies_table(found.needs, width=width)


def plan_page(
    groups: Sequence[Group],
    incidents: Sequence[Planned],
    at_once: Callable[[float], int],
    *,
    width: int,
) -> Iterator[Line]:
    """What a check would run, with the time that it may take, and what does not apply."""
    total_s = 0.0
    for group in groups:
        runs = at_once(group.scale)
        scale = "in real time" if group.scale == 1 else f"{group.scale:g} times faster"
        yield line(Span(f"{scale}, {counted(runs, 'run')} at once", Tone.HEAD))
        for run in (group.control, *group.runs):
            yield line(f"  {clean(run.name, 60):{NAME}} ", Span(about(run.expected_s), Tone.DIM))
        expected_s = [run.expected_s for run in group.runs]
        total_s += group.control.expected_s + together_s(expected_s, runs)
        yield BLANK
    rest = [each for each in incidents if each.why]
    if rest:
        yield line(Span("does not apply", Tone.HEAD))
        for each in rest:
            yield from paragraph(inapplicable(each), width=width, hanging=INDENT, tone=Tone.DIM)
        yield BLANK
    runs = sum(len(group.runs) + 1 for group in groups)
    yield line(f"{counted(runs, 'run')}, {about(total_s)}; nothing was started")


def plan_document(
    groups: Sequence[Group], incidents: Sequence[Planned], *, app: str
) -> dict[str, Any]:
    """The plan as a JSON object."""
    return {
        "app": app,
        "runs": [
            {
                "incident": run.incident,
                "role": str(run.role),
                "params": dict(run.params),
                "time_scale": run.scale,
                "expected_s": round(run.expected_s, 1),
            }
            for group in groups
            for run in (group.control, *group.runs)
        ],
        "does_not_apply": [
            {"incident": each.incident, "why": each.why} for each in incidents if each.why
        ],
    }

"""What `crashloop check` prints: its plan before, its results after. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.clock import REAL_TIME
from crashloop.durations import about, together_s
from crashloop.model import Outcome
from crashloop.plural import counted, listed
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, command_lines, line, paragraph
from crashloop.survey.baseline import is_better
from crashloop.survey.result import Met
from crashloop.survey.table import (
    dependencies_table,
    last_lines,
    name_width,
    rest_lines,
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
    title: str,
    require: Outcome,
    status: int,
    folder: str,
    page: str = "",
    update: str,
    width: int,
) -> Iterator[Line]:
    """The table of the outages and that of the dependencies, and whether all is as required.

    `title` is the app, with the remedy that was in place. `page` is the page of the check,
    `update` the command that makes the baseline stricter.
    """
    yield line(Span(clean(title, 120), Tone.HEAD))
    yield from paragraph(totals(found.results), width=width)
    yield BLANK
    if found.stopped and found.control:
        yield from paragraph(f"no fault was tried: {clean(found.stopped)}", width=width)
        yield from last_lines(found.control.lines, width=width)
        yield BLANK
    else:
        yield from rows(found, width=width)
    yield from requirement_lines(found, require=require, status=status, width=width)
    if update and is_better(found.results):
        yield from command_lines("  keep what got better  ", update, width=width)
    yield line(Span("  evidence              ", Tone.HEAD), clean(folder, 2000))
    if page:
        yield line(Span("  page                  ", Tone.HEAD), clean(page, 2000))
    again = next((each.command for each in found.results if each.met in _BAD), "")
    if again:
        yield from command_lines("  run one of them again ", again, width=width)


def requirement_lines(found: Found, *, require: Outcome, status: int, width: int) -> Iterator[Line]:
    """Whether all is as required, and which results are not."""
    badge, tone = _SAID[status]
    must = "recovers from" if require is Outcome.RECOVERED else "survives"
    wanted = f"required: it {must} each outage that applies"
    failed = [clean(each.incident, 60) for each in found.results if each.met in _BAD]
    if len(badge) + len(wanted) + 2 <= width:
        yield line(Span(badge, tone), f"  {wanted}")
    else:
        yield line(Span(badge, tone))
        yield from paragraph(wanted, width=width)
    if all(each.met is Met.DOES_NOT_APPLY for each in found.results):
        yield from paragraph("no outage applies to it: the reasons are above", width=width)
    if failed and not found.stopped:
        yield from paragraph(f"see {listed(failed)}", width=width)


def rows(found: Found, *, width: int) -> Iterator[Line]:
    """The two tables, of what has been found."""
    yield from results_table(found.results, width=width)
    if found.needs:
        yield from dependencies_table(found.needs, width=width)
        yield BLANK


def plan_page(
    groups: Sequence[Group],
    incidents: Sequence[Planned],
    control: Planned | None,
    at_once: Callable[[float], int],
    *,
    width: int,
) -> Iterator[Line]:
    """What a check would run, with the time that it may take, and what does not apply."""
    names = [run.name for group in groups for run in group.runs]
    room = name_width(names)

    def row(run: Planned, scale: str) -> Line:
        took = f"{about(run.expected_s):14} {scale}".rstrip()
        return line(f"  {clean(run.name, 60):{room}} ", Span(took, Tone.DIM))

    total_s = 0.0
    if control:
        total_s += control.expected_s
        yield line(Span("first", Tone.HEAD))
        yield row(control, _scale_words(control.scale))
        yield BLANK
    for group in groups:
        runs = at_once(group.scale)
        yield line(Span(f"then, {counted(runs, 'run')} at once", Tone.HEAD))
        for run in group.runs:
            yield row(run, _scale_words(run.scale))
        total_s += together_s([run.expected_s for run in group.runs], runs)
        yield BLANK
    yield from rest_lines([each for each in incidents if each.why], width=width)
    runs = len(names) + bool(control)
    yield line(f"{counted(runs, 'run')}, {about(total_s)}; nothing was started")


def _scale_words(scale: float) -> str:
    return "in real time" if scale == REAL_TIME else f"x{scale:g}"


def plan_document(
    groups: Sequence[Group], incidents: Sequence[Planned], control: Planned | None, *, app: str
) -> dict[str, Any]:
    """The plan as a JSON object."""
    runs = [*([control] if control else []), *(run for group in groups for run in group.runs)]
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
            for run in runs
        ],
        "does_not_apply": [
            {"incident": each.incident, "why": each.why} for each in incidents if each.why
        ],
    }

"""The results in Markdown, for the summary of a GitHub job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.markdown import markdown
from crashloop.survey.result import Met, Result
from crashloop.survey.table import back_words, died_words, outcome_words, totals, why_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.survey.need import DependencyNeed

_SIGNS = {
    Met.MET: "✅",
    Met.KNOWN: "☑️",
    Met.NOT_MET: "❌",
    Met.NEVER_STARTED: "❌",
    Met.HARNESS: "⚠️",
    Met.INCONCLUSIVE: "❔",
    Met.DOES_NOT_APPLY: "⏭️",
}


def summary_text(results: Sequence[Result], needs: Sequence[DependencyNeed], *, app: str) -> str:
    """A heading, a table of the outages and one of the dependencies."""
    return "\n".join(_lines(results, needs, app)) + "\n"


def _lines(results: Sequence[Result], needs: Sequence[DependencyNeed], app: str) -> Iterator[str]:
    yield f"### crashloop check {markdown(app)}"
    yield ""
    yield markdown(totals(results))
    yield ""
    yield "| | outage | outcome | died | back after | |"
    yield "|---|---|---|---|---|---|"
    for each in results:
        applies = each.met is not Met.DOES_NOT_APPLY
        words = outcome_words(each)[0] if applies else "does not apply"
        cells = [_SIGNS[each.met], f"`{each.incident}`", words, died_words(each)]
        cells.append(back_words(each))
        yield f"| {' | '.join([*cells[:2], *map(markdown, cells[2:]), _notes(each)])} |"
    if needs:
        yield ""
        yield "| dependency | at start | at run time | |"
        yield "|---|---|---|---|"
    for need in needs:
        cells = [need.name, str(need.start.need), str(need.run.need)]
        why = [f"at start, {need.start.why}", f"at run time, {need.run.why}", need.slow]
        why += [f"{flag}: {says}" for flag, says in need.flags.items()]
        cells = [*map(markdown, cells), "<br>".join(markdown(each) for each in why if each)]
        yield f"| {' | '.join(cells)} |"


def _notes(result: Result) -> str:
    if result.met is Met.DOES_NOT_APPLY:
        return markdown(result.why)
    notes = [f"outage: {result.title}", why_words(result), result.changed]
    notes += [f"{flag}: {says}" for flag, says in result.flags.items()]
    notes += [f"what helps: {result.advice}"] if result.deaths and result.advice else []
    return "<br>".join(markdown(each) for each in notes if each)

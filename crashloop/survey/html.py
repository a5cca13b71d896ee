"""The results of a check as a page, each outage with the page of its run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop import __version__
from crashloop.report.lines import Tone, line
from crashloop.report.page.document import WIDE, head, page
from crashloop.report.page.inert import inert
from crashloop.report.page.table import cell, table_part
from crashloop.report.words import target_words
from crashloop.survey.page import requirement_lines
from crashloop.survey.result import Met
from crashloop.survey.table import back_words, died_words, last_lines, outcome_words, totals
from crashloop.survey.table import notes as notes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.model import Outcome
    from crashloop.report.page.document import Part
    from crashloop.report.page.table import Cell
    from crashloop.survey.execution import Found
    from crashloop.survey.need import DependencyNeed
    from crashloop.survey.result import Result


def check_html(
    found: Found,
    *,
    title: str,
    require: Outcome,
    status: int,
    command: str,
    pages: Mapping[str, str],
) -> str:
    """The page; `pages` has the address of each run's page by its incident.

    `title` is the app, with the remedy that was in place.
    """
    ending = [*requirement_lines(found, require=require, status=status, width=WIDE)]
    if found.stopped and found.control:
        ending += [line(f"no fault was tried: {inert(found.stopped)}")]
        ending += last_lines(found.control.lines, width=WIDE)
    top = head(
        inert(title, 120),
        title=totals(found.results),
        ending=ending,
        command=inert(command, 2000),
    )
    name = f"crashloop check {inert(title, 120)}"
    return page(name, [*_parts(found, pages)], head=top, version=__version__)


def _parts(found: Found, pages: Mapping[str, str]) -> Iterator[Part]:
    ran = [each for each in found.results if each.met is not Met.DOES_NOT_APPLY]
    rest = [each for each in found.results if each.met is Met.DOES_NOT_APPLY]
    if ran:
        yield table_part(
            "outages",
            "Outages",
            ("outage", "outcome", "required", "died", "back after", "what to know"),
            (_row(each, pages.get(each.incident, "")) for each in ran),
            caption="What became of the app in each outage",
        )
    if found.needs:
        yield table_part(
            "dependencies",
            "Dependencies",
            ("dependency", "at start", "at run time", "why"),
            map(_need, found.needs),
            caption="What the app needs at its start and at run time",
        )
    if rest:
        yield table_part(
            "rest",
            "Does not apply",
            ("outage", "why"),
            ((cell(each.incident), cell(each.why)) for each in rest),
            caption="Outages that cannot happen to this app, or not on this machine",
        )


def _row(result: Result, href: str) -> tuple[Cell, ...]:
    words, tone = outcome_words(result)
    is_met = result.met in {Met.MET, Met.KNOWN}
    first, *notes = [text for text, _ in notes_of(result)] or [""]
    return (
        cell(result.incident, href=href),
        cell(words, tone=tone),
        cell(result.met, tone=Tone.GOOD if is_met else Tone.BAD),
        cell(died_words(result)),
        cell(back_words(result)),
        cell(first, notes=notes),
    )


def _need(need: DependencyNeed) -> tuple[Cell, ...]:
    why = [f"at run time, {need.run.why}", need.slow]
    why += [f"{flag}: {says}" for flag, says in need.flags.items()]
    return (
        cell(target_words(need.name)),
        cell(need.start.need),
        cell(need.run.need),
        cell(f"at start, {need.start.why}", notes=why),
    )

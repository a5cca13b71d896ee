"""The page of a comparison: its arms as a table, and its curves. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop import __version__
from crashloop.durations import about, plain
from crashloop.plural import counted, listed
from crashloop.report.comparison import HEADS, LEGEND, WORDS, cells
from crashloop.report.comparison_words import conclusion, sentences
from crashloop.report.lines import Line, line
from crashloop.report.page.document import Part, head, page, part
from crashloop.report.page.inert import inert
from crashloop.report.page.table import cell, table_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.model.comparison import Arm, Comparison, Criterion
    from crashloop.report.page.table import Cell

_ALTS = {
    "success-by-limit.svg": "Start-up success by time limit",
    "recovery-by-remedy.svg": "Recovery by remedy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as text, and what stands for it; its figures are those of the table."""

    content: str
    alt: str


def comparison_html(
    comparison: Comparison,
    pictures: Mapping[str, bytes],
    *,
    left_out: Mapping[str, str],
    command: str,
) -> str:
    """The page; `pictures` are files by name, `left_out` the remedies that do not fit, and why."""
    top = head(
        f"{inert(comparison.incident, 60)}: remedies compared",
        ending=_ending(comparison),
        facts=_facts(comparison),
        command=inert(command, 2000),
    )
    title = f"crashloop compare {inert(comparison.incident, 60)}"
    return page(title, [*_parts(comparison, pictures, left_out)], head=top, version=__version__)


def _ending(comparison: Comparison) -> Iterator[Line]:
    yield line(conclusion(comparison))
    criteria = ", ".join(map(str, comparison.criteria))
    yield line(f"criteria: {inert(criteria, 500)}")


def _facts(comparison: Comparison) -> Iterator[str]:
    yield inert(comparison.platform, 60)
    yield f"time scale {plain(comparison.time_scale)}"
    yield f"seed {comparison.seed}"
    trials = sum(arm.trials for arm in comparison.arms)
    yield f"{counted(trials, 'trial')} in {about(comparison.wall_s)}"


def _parts(
    comparison: Comparison, pictures: Mapping[str, bytes], left_out: Mapping[str, str]
) -> Iterator[Part]:
    columns = ("remedy", "result", "trials", *HEADS)
    connectors = dict.fromkeys(arm.connector for arm in comparison.arms)
    for number, connector in enumerate(connectors, start=1):
        arms = [arm for arm in comparison.arms if arm.connector == connector]
        behind = f" behind the connector {inert(connector, 60)}" if connector else ""
        rows = [_row(arm, comparison.criteria) for arm in arms]
        yield table_part(f"remedies-{number}", f"Remedies{behind}", columns, rows, caption=LEGEND)
    shown = [
        Picture(content=base64.b64encode(pictures[name]).decode(), alt=alt)
        for name, alt in _ALTS.items()
        if name in pictures
    ]
    if shown:
        body = part("pictures.html", pictures=shown)
        yield Part(name="curves", heading="Curves", body=body)
    if left_out:
        rows = [(cell(name), cell(why)) for name, why in left_out.items()]
        yield table_part(
            "left-out", "Left out", ("remedy", "why"), rows, caption="Remedies that do not fit"
        )


def _row(arm: Arm, criteria: Sequence[Criterion]) -> tuple[Cell, ...]:
    words, tone = WORDS[arm.result]
    results: dict[str, list[str]] = {}
    for criterion, each in zip(criteria, arm.criteria, strict=True):
        results.setdefault(WORDS[each.result][0], []).append(str(criterion))
    notes = [f"{result}: {listed(names)}" for result, names in results.items()]
    return (
        cell(arm.remedy, notes=[*sentences(arm, criteria), *notes]),
        cell(words, tone=tone),
        cell(arm.counted),
        *map(cell, cells(arm)),
    )

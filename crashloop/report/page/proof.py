"""The page of a proof: its four runs, each with its own page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop import __version__
from crashloop.report.lines import Tone
from crashloop.report.page.document import WIDE, head, page
from crashloop.report.page.inert import inert
from crashloop.report.page.table import cell, table_part
from crashloop.report.summary import ROLE_ENDS
from crashloop.report.verdicts import proven_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.report.page.table import Cell
    from crashloop.report.verdicts import ProofRow

COLUMNS = ("run", "verdict", "must be", "result", "why")


def proof_html(
    incident: str,
    rows: Sequence[ProofRow],
    *,
    proven: bool,
    remedied: str = "",
    command: str,
    pages: Mapping[str, str],
) -> str:
    """The page; `pages` has the address of each run's page by its role."""
    ending = proven_lines(incident, rows, proven=proven, remedied=remedied, width=WIDE)
    runs = table_part(
        "runs", "Runs", COLUMNS, _rows(rows, pages), caption="The four runs of the proof"
    )
    title = f"{inert(incident, 60)}: {'PROVEN' if proven else 'NOT PROVEN'}"
    top = head(f"Proof of {inert(incident, 60)}", ending=ending, command=inert(command, 2000))
    return page(title, [runs], head=top, version=__version__)


def _rows(rows: Sequence[ProofRow], pages: Mapping[str, str]) -> Iterator[tuple[Cell, ...]]:
    for row in rows:
        is_ok = not row.shortfall
        yield (
            cell(row.role, href=pages.get(row.role, "")),
            cell(row.verdict),
            cell(row.expected),
            cell("ok" if is_ok else "falls short", tone=Tone.GOOD if is_ok else Tone.BAD),
            cell(ROLE_ENDS[row.role][1] if is_ok else row.shortfall),
        )
    for role in [role for role in ROLE_ENDS if role not in {row.role for row in rows}]:
        yield (
            cell(role),
            cell("not run", tone=Tone.BAD),
            cell(ROLE_ENDS[role][0]),
            cell("falls short", tone=Tone.BAD),
            cell("an earlier run was no test"),
        )

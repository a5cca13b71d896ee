"""The files that `crashloop check` writes beside the evidence of its runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.commands.check_order import command_of
from crashloop.errors import HarnessError
from crashloop.run import page_beside, write_whole

if TYPE_CHECKING:
    from crashloop.commands.check_order import CheckOrder
    from crashloop.model import AppUnderTest, Outcome
    from crashloop.survey.evidence import Evidence
    from crashloop.survey.execution import Found


def html_of(
    order: CheckOrder,
    app: AppUnderTest,
    found: Found,
    evidence: Evidence,
    *,
    title: str,
    require: Outcome,
    status: int,
) -> str:
    """The page of the check, which links to the pages of its runs."""
    from crashloop.survey.html import check_html  # noqa: PLC0415  heavy: only when written

    traces = {each.incident: each.document.get("trace") for each in found.results}
    pages = {
        incident: page_beside(evidence.folder, Path(trace).parent)
        for incident, trace in traces.items()
        if isinstance(trace, str)
    }
    command = command_of(order, app)
    return check_html(
        found, title=title, require=require, status=status, command=command, pages=pages
    )


def write_file(file: Path, text: str, option: str) -> None:
    """Write what an option asks for; HarnessError if that fails."""
    try:
        write_whole(file, text)
    except OSError as error:
        raise HarnessError(f"{option} {file} cannot be written: {error.strerror}") from None

"""The causes that a diagnosis can name: for a terminal, and as the table of docs/diagnose.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.lines import Line, Span, Tone, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.diagnosis.cause import Cause


def catalogue(causes: Iterable[Cause], *, width: int) -> list[Line]:
    """Every cause with its title, its meaning, and how to make it happen."""
    page: list[Line] = []
    for cause in causes:
        page.append(line(Span(cause.id, Tone.HEAD)))
        page += paragraph(f"{cause.title}: {cause.meaning}", width=width)
        if cause.reproduce:
            page += paragraph(f"make it happen: {cause.reproduce}", width=width, tone=Tone.DIM)
    return page


def causes_table(causes: Iterable[Cause]) -> str:
    """The causes as a table in Markdown: the id, what it means, and what decides for it."""
    rows = [
        f"| `{cause.id}` | {_cell(cause.meaning)} "
        f"| {_cell('; '.join(sign.says for sign in cause.in_logs.decides))} |"
        for cause in causes
    ]
    return "\n".join(["| cause | meaning | decided by |", "|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

"""The page of a pytest session: a row for each run, with its own page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop import __version__
from crashloop.report.lines import Tone
from crashloop.report.page.document import head, page
from crashloop.report.page.table import cell, table_part
from crashloop.report.session import MAX_RUNS, session_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.report.session import SessionRun

COLUMNS = ("run", "test", "test ended", "verdict", "outcome", "to run it again")
CAPTION = "The runs of the session, in order"


def session_html(
    runs: Sequence[SessionRun], pages: Mapping[str, str], *, facts: Iterable[str]
) -> str:
    """The page, of 2000 runs at most; `pages` has the address of a run's page by its trace."""
    rows = [
        (
            cell(run.name, href=pages.get(run.trace, "")),
            cell(run.test),
            cell(run.ended, tone=Tone.GOOD if run.ended == "passed" else Tone.BAD),
            cell(run.verdict),
            cell(run.outcome),
            cell(run.command),
        )
        for run in runs[:MAX_RUNS]
    ]
    left_out = len(runs) - len(rows)
    caption = f"{CAPTION}; {left_out} more are not shown" if left_out else CAPTION
    top = head("Runs of a pytest session", title=session_words(runs), facts=facts)
    body = table_part("runs", "Runs", COLUMNS, rows, caption=caption)
    return page("crashloop: runs of a pytest session", [body], head=top, version=__version__)

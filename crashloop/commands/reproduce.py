"""`crashloop reproduce`: one run of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.commands.page import evidence_of, run_page
from crashloop.commands.session import Session
from crashloop.lab import run_scenario
from crashloop.report import job_text
from crashloop.report.data import run_document
from crashloop.report.document import write_document
from crashloop.report.failure import show_warning
from crashloop.report.fate import exit_status
from crashloop.report.job_summary import append_summary, require_appendable
from crashloop.report.lines import BLANK
from crashloop.report.summary import where_lines
from crashloop.run import REPORT_FILE, Run, write_run_page

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Scenario
    from crashloop.options import RunOptions


def reproduce(
    scenario: Scenario,
    options: RunOptions,
    *,
    as_json: bool,
    no_live: bool,
    summary: Path | None = None,
) -> int:
    """Run the scenario once, show it, and append it to the job's summary; return its exit status.

    12 if `summary` cannot be written.
    """
    require_appendable(summary)
    session = Session(options, as_json=as_json, no_live=no_live)

    async def work() -> Run:
        with session.view(scenario):
            return await run_scenario(scenario, session.options)

    run = session.run(work())
    if not as_json:
        session.terminal.show([*run_page(run.trace, run.judgement, session.terminal), BLANK])
    no_page = write_run_page(run.artifacts, run.trace, run.judgement)
    if as_json:
        where_is = {"artifacts": str(run.artifacts), "trace_path": str(run.trace_path)}
        page = None if no_page else str(run.artifacts / REPORT_FILE)
        write_document({**run_document(run.trace, run.judgement, **where_is), "page": page})
    else:
        where = evidence_of(run.artifacts, run.trace, command=run.command)
        session.terminal.show(where_lines(where, width=session.terminal.width))
    show_warning(no_page)
    unwritten = append_summary(summary, lambda: job_text.run_text(run.trace, run.judgement))
    return unwritten or exit_status(run.judgement, run.fate)

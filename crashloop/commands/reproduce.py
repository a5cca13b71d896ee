"""`crashloop reproduce`: one run of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.commands.page import run_page, short
from crashloop.commands.session import Session
from crashloop.lab import run_scenario
from crashloop.report.data import run_document
from crashloop.report.document import write_document
from crashloop.report.fate import exit_status
from crashloop.report.summary import Where
from crashloop.run import Run, evidence_files

if TYPE_CHECKING:
    from crashloop.model import Scenario
    from crashloop.options import RunOptions


def reproduce(scenario: Scenario, options: RunOptions, *, as_json: bool, no_live: bool) -> int:
    """Run the scenario once and show it; return its exit status."""
    session = Session(options, as_json=as_json, no_live=no_live)

    async def work() -> Run:
        with session.view(scenario):
            return await run_scenario(scenario, session.options)

    run = session.run(work())
    if as_json:
        where_is = {"artifacts": str(run.artifacts), "trace_path": str(run.trace_path)}
        write_document(run_document(run.trace, run.judgement, **where_is))
    else:
        files = evidence_files(run.artifacts, run.trace)
        where = Where(folder=short(run.artifacts), files=files, command=run.command)
        session.terminal.show(run_page(run.trace, run.judgement, session.terminal, where))
    return exit_status(run.judgement, run.fate)

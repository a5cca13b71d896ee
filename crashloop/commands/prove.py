"""`crashloop prove`: the four runs of a proof."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop import proof
from crashloop.commands.page import short, step_page
from crashloop.commands.session import Session
from crashloop.errors import UsageError
from crashloop.incidents.dependency import PREFIX
from crashloop.model import Role
from crashloop.options import rerun_command
from crashloop.report.document import write_document
from crashloop.report.failure import show_warning
from crashloop.report.fate import NEVER_STARTED_STATUS, exit_status
from crashloop.report.job_summary import append_summary, require_appendable
from crashloop.report.job_text import proof_text
from crashloop.report.summary import Where
from crashloop.report.verdicts import ProofRow, proof_lines
from crashloop.run import REPORT_FILE, page_beside, write_page, write_run_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crashloop.incidents.incident import Incident
    from crashloop.model import AppUnderTest
    from crashloop.options import RunOptions
    from crashloop.report.terminal import Terminal


def prove(
    incident: Incident,
    app: AppUnderTest | None,
    params: dict[str, Any],
    options: RunOptions,
    *,
    remedy: str = "",
    as_json: bool,
    no_live: bool,
    summary: Path | None = None,
) -> int:
    """Run control, reproduction, remedy and unplugged, and show them; 0 only if proven.

    `app` is the user's own, and `remedy` names one of its own; None is the sample app.
    UsageError for a run without a dependency, which is no outage.
    """
    if incident.name.startswith(PREFIX):
        raise UsageError(
            f"{incident.name} is an experiment and no outage, so there is nothing to prove",
            hint=f"run it: crashloop reproduce {incident.name}",
        )
    require_appendable(summary)
    fault = incident.scenario(Role.REPRODUCTION, app, **params)
    command = rerun_command(replace(fault, remedy=remedy), options, verb="prove")
    session = Session(options, as_json=as_json, no_live=no_live)
    done = session.run(_proof_of(incident, app, params, session, remedy=remedy, as_json=as_json))
    status, rows = _exit_status(done), [_row(step) for step in done.steps]
    no_page = write_page(done.artifacts, lambda: _html(done, rows, command))
    page = None if no_page else done.artifacts / REPORT_FILE
    if as_json:
        more = {"artifacts": str(done.artifacts), "page": page and str(page), "command": command}
        write_document({**done.to_json(), **more, "exit_status": status})
    else:
        where = Where(
            folder=short(done.artifacts), page=short(page) if page else "", command=command
        )
        _show(done, rows, where, session.terminal)
    show_warning(no_page)
    text = partial(
        proof_text,
        done.incident,
        rows,
        proven=done.proven,
        remedied=done.remedied,
        command=command,
    )
    return append_summary(summary, text) or status


async def _proof_of(
    incident: Incident,
    app: AppUnderTest | None,
    params: dict[str, Any],
    session: Session,
    *,
    remedy: str,
    as_json: bool,
) -> proof.Proof:
    """Make the runs; each is shown while it runs, and its page is written when it has ended."""
    with contextlib.ExitStack() as views:

        def on_role(role: Role) -> None:
            scenario = incident.scenario(role, app, remedy=remedy, **params)
            views.enter_context(session.view(scenario))

        def on_step(step: proof.Step) -> None:
            views.close()
            run = step.run
            if not as_json:
                session.terminal.show(step_page(run.trace, run.judgement, session.terminal))
            show_warning(write_run_page(run.artifacts, run.trace, run.judgement))

        return await proof.prove(
            incident,
            params,
            session.options,
            app=app,
            remedy=remedy,
            on_role=on_role,
            on_step=on_step,
        )


def _show(done: proof.Proof, rows: Sequence[ProofRow], where: Where, terminal: Terminal) -> None:
    """Show the table of the proof, and whether it is one."""
    terminal.show(
        proof_lines(
            done.incident,
            rows,
            proven=done.proven,
            remedied=done.remedied,
            where=where,
            width=terminal.width,
            glyphs=terminal.glyphs,
        )
    )


def _html(done: proof.Proof, rows: Sequence[ProofRow], command: str) -> str:
    """The page of a proof, with the pages of its runs."""
    from crashloop.report.page.proof import proof_html  # noqa: PLC0415  not before the verdicts

    pages = {str(step.role): page_beside(done.artifacts, step.run.artifacts) for step in done.steps}
    return proof_html(
        done.incident,
        rows,
        proven=done.proven,
        remedied=done.remedied,
        command=command,
        pages=pages,
    )


def _exit_status(done: proof.Proof) -> int:
    """The verdict's, or that of an app that does not start without a fault."""
    statuses = [exit_status(step.run.judgement, step.run.fate) for step in done.steps]
    never = NEVER_STARTED_STATUS in statuses
    return NEVER_STARTED_STATUS if never else done.verdict.exit_status


def _row(step: proof.Step) -> ProofRow:
    return ProofRow(
        role=str(step.role),
        verdict=step.run.verdict,
        expected=proof.EXPECTED[step.role],
        shortfall=step.shortfall,
    )

"""`crashloop reproduce`: one run of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.commands.order import Order, settle
from crashloop.commands.page import run_page
from crashloop.commands.place import print_json, short
from crashloop.commands.session import Session
from crashloop.lab import run_scenario
from crashloop.report.data import run_document
from crashloop.report.summary import Where
from crashloop.run import Run, evidence_files, rerun_command

if TYPE_CHECKING:
    from crashloop.model import Role


def reproduce(order: Order, role: Role) -> int:
    """Run the incident once in `role` and show it; gives its verdict's exit status."""
    plan = settle(order, folder_name=order.incident)
    scenario = plan.incident.scenario(role, **order.params)
    session = Session(plan)
    command = rerun_command(scenario, plan.scale, plan.seed, engine=plan.order.engine)
    command += plan.suffix

    async def work() -> Run:
        with session.view(scenario):
            return await run_scenario(scenario, session.options(command))

    run = session.run(work())
    if order.as_json:
        print_json(run_document(run.trace, run.judgement, artifacts=str(run.artifacts)))
    else:
        where = Where(
            folder=short(run.artifacts),
            files=evidence_files(run.artifacts, run.trace),
            command=run.command,
        )
        session.terminal.show(run_page(run.trace, run.judgement, session.terminal, where))
    return run.verdict.exit_status

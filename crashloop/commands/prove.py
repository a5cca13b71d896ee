"""`crashloop prove`: the four runs of a proof."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from crashloop import proof
from crashloop.commands.order import Order, Plan, settle
from crashloop.commands.page import step_page
from crashloop.commands.place import print_json, short
from crashloop.commands.session import Session
from crashloop.report.summary import Where
from crashloop.report.verdicts import ProofRow, proof_lines
from crashloop.run import rerun_command

if TYPE_CHECKING:
    from crashloop.model import Role


def prove(order: Order) -> int:
    """Run control, reproduction, remedy and unplugged, and show them; 0 only where proven."""
    plan = settle(order, folder_name=f"{order.incident}-proof")
    command = _command(plan)
    session = Session(plan)
    terminal = session.terminal

    async def work() -> proof.Proof:
        with contextlib.ExitStack() as views:

            def on_role(role: Role) -> None:
                views.enter_context(session.view(plan.incident.scenario(role, **order.params)))

            def on_step(step: proof.Step) -> None:
                views.close()
                if not order.as_json:
                    terminal.show(step_page(step.run.trace, step.run.judgement, terminal))

            return await proof.prove(
                plan.incident,
                dict(order.params),
                session.options(),
                on_role=on_role,
                on_step=on_step,
            )

    done = session.run(work())
    status = done.verdict.exit_status
    if order.as_json:
        more = {"artifacts": str(done.artifacts), "command": command, "exit_status": status}
        print_json({**done.to_json(), **more})
        return status
    where = Where(folder=short(done.artifacts), command=command)
    terminal.show(
        proof_lines(
            done.incident,
            [_row(step) for step in done.steps],
            proven=done.proven,
            where=where,
            width=terminal.width,
            glyphs=terminal.glyphs,
        )
    )
    return status


def _row(step: proof.Step) -> ProofRow:
    return ProofRow(
        role=str(step.role),
        verdict=step.run.verdict,
        expected=proof.EXPECTED[step.role],
        shortfall=step.shortfall,
    )


def _command(plan: Plan) -> str:
    """The command that makes the same proof again; UsageError for a bad parameter."""
    scenario = plan.incident.scenario(**plan.order.params)
    _, _, *rest = shlex.split(
        rerun_command(scenario, plan.scale, plan.seed, engine=plan.order.engine)
    )
    return shlex.join(["crashloop", "prove", *rest]) + plan.suffix

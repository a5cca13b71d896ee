"""The proof of each incident: four runs, each ending as it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.incidents import INCIDENTS
from crashloop.model import Role, Verdict

if TYPE_CHECKING:
    from crashloop.testing import Lab


@pytest.mark.parametrize("name", INCIDENTS)
async def test_the_four_runs_end_as_they_must(lab: Lab, name: str) -> None:
    proof = await lab.prove(name, time_scale=10)  # fair on a busy machine, too

    assert proof.proven, [(step.role, step.shortfall) for step in proof.steps]
    by_role = {step.role: step for step in proof.steps}
    healthy = by_role[Role.CONTROL].healthy
    assert healthy is not None
    assert healthy.verdict is Verdict.REPRODUCED
    unplugged = by_role[Role.UNPLUGGED].run
    assert unplugged.verdict is Verdict.INCONCLUSIVE
    assert "faults_have_receipts" in unplugged.judgement.reason
    assert all(not event.data["plugged"] for event in unplugged.trace.of("fault.injected"))
    remedied = by_role[Role.REMEDY].run.trace
    answered = remedied.of("golden.answered")[0]
    assert answered.data["stored"] is False, "the message arrived while the database was away"
    assert answered.mono_ns < remedied.of("fault.healed")[0].mono_ns
    assert remedied.of("golden.row")

"""Every incident of the library: it is reproduced, and its proof holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pgbouncer import needs_pgbouncer

from crashloop.incidents import INCIDENTS
from crashloop.model import Verdict

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from crashloop.testing import Lab


def runnable(name: str) -> ParameterSet:
    """A test's parameter; it is skipped where this machine lacks the pooler that it needs."""
    has_pooler = any(each.pooler for each in INCIDENTS[name].scenario().dependencies)
    return pytest.param(name, marks=[needs_pgbouncer] if has_pooler else [])


# issue-1278 has tests of its own.
OTHERS = [runnable(name) for name in sorted(set(INCIDENTS) - {"issue-1278"})]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", OTHERS)
async def test_the_four_runs_of_its_proof_end_as_they_must(name: str, lab: Lab) -> None:
    proof = await lab.prove(name)

    proof.expect(Verdict.REPRODUCED)


@pytest.mark.slow
async def test_three_replicas_loop_and_recover_each_on_its_own(lab: Lab) -> None:
    run = await lab.run("issue-1278", replicas=3)

    run.expect(Verdict.REPRODUCED)
    for replica in (1, 2, 3):
        exits = run.events("process.exited", replica=replica)
        assert [e.data["exit_code"] for e in exits[:3]] == [3, 3, 3]
        held = run.events("link.held", replica=replica)
        assert {e.attempt for e in held} >= {1, 2, 3}

"""What a run leaves, as a user of its platform would hold it, shows the incident that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_logs.expected import expected
from run_logs.written import write_logs

from crashloop.commands.diagnose import diagnosis_of
from crashloop.model import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.testing import Lab

QUICK = (
    "cache-still-loading",
    "egress-cold-start-early-port",
    "issue-1278",
    "name-does-not-resolve-for-ever",
    "oom-killed-while-starting",
    "rollout-deadlock-on-slots",
    "workers-times-pool",
)


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", QUICK)
async def test_the_logs_of_a_run_show_its_incident(name: str, lab: Lab, tmp_path: Path) -> None:
    run = await lab.run(name)
    run.expect(Verdict.REPRODUCED)

    for file in write_logs(run.artifacts, name, tmp_path):
        found = diagnosis_of([str(file)], None)
        named = "unknown" if found.unknown else found.causes[0].cause.id
        assert named == expected(file), file.name

"""What a test of an outage is written with: the lab, its runs, and the verdicts to expect.

    from crashloop.testing import REPRODUCED

    async def test_the_connector_ends_the_start(lab):
        run = await lab.run("issue-1278", limit_s=20)

        run.expect(REPRODUCED)
        assert len(run.events("phase.failed")) == 3

`lab` is a fixture of the installed pytest plugin. Importing this module loads nothing of the
harness; the first run does.
"""

from __future__ import annotations

from crashloop.model import Role, Verdict
from crashloop.testing.lab import Lab
from crashloop.testing.mismatch import VerdictMismatch
from crashloop.testing.outcome import LabProof, LabRun

__all__ = [
    "HARNESS_ERROR",
    "INCONCLUSIVE",
    "NOT_REPRODUCED",
    "REPRODUCED",
    "Lab",
    "LabProof",
    "LabRun",
    "Role",
    "Verdict",
    "VerdictMismatch",
]

REPRODUCED = Verdict.REPRODUCED
NOT_REPRODUCED = Verdict.NOT_REPRODUCED
INCONCLUSIVE = Verdict.INCONCLUSIVE
HARNESS_ERROR = Verdict.HARNESS_ERROR

"""What a test of an outage is written with: the lab, its runs, and the verdicts to expect.

    from crashloop.testing import REPRODUCED

    async def test_the_connector_ends_the_start(lab):
        run = await lab.run("issue-1278", limit_s=20)

        run.expect(REPRODUCED)
        assert len(run.events("phase.failed")) == 3

For an app of your own, one test for each incident of the library:

    from crashloop.testing import outages

    test_outages = outages("shop")

`lab` is a fixture of the installed pytest plugin. Importing this module loads nothing of the
harness; the first run does.
"""

from __future__ import annotations

from crashloop.model import Outcome, Role, Verdict
from crashloop.testing.lab import Lab
from crashloop.testing.mismatch import OutcomeMismatch, VerdictMismatch
from crashloop.testing.outages import outages
from crashloop.testing.outcome import LabProof, LabRun

__all__ = [
    "HARNESS_ERROR",
    "INCONCLUSIVE",
    "NEVER_STARTED",
    "NOT_RECOVERED",
    "NOT_REPRODUCED",
    "RECOVERED",
    "REPRODUCED",
    "SURVIVED",
    "Lab",
    "LabProof",
    "LabRun",
    "Outcome",
    "OutcomeMismatch",
    "Role",
    "Verdict",
    "VerdictMismatch",
    "outages",
]

REPRODUCED = Verdict.REPRODUCED
NOT_REPRODUCED = Verdict.NOT_REPRODUCED
INCONCLUSIVE = Verdict.INCONCLUSIVE
HARNESS_ERROR = Verdict.HARNESS_ERROR
SURVIVED = Outcome.SURVIVED
RECOVERED = Outcome.RECOVERED
NOT_RECOVERED = Outcome.NOT_RECOVERED
NEVER_STARTED = Outcome.NEVER_STARTED

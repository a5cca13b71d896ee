"""The change that the earlier issue 1263 made: it cures a path, and leaves the capacity short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crashloop.model import Verdict

if TYPE_CHECKING:
    from crashloop.testing import Lab

MISROUTED: dict[str, Any] = {
    "route": "nowhere",
    "platform": "cloud-run-observed",
    "connector": "audit",
    "heal_s": 180,
    "warm_connections": 2,
}
STARTS = 3


@pytest.mark.slow
async def test_an_app_whose_path_leads_nowhere_never_starts_even_with_capacity(lab: Lab) -> None:
    run = await lab.run("issue-1278", role="remedy", remedy="pre-scaled-connector", **MISROUTED)
    assert not run.events("startup.completed")
    assert len(run.events("process.exited")) > STARTS


@pytest.mark.slow
async def test_the_egress_flag_cures_a_path_that_leads_nowhere(lab: Lab) -> None:
    both = "egress-flag+pre-scaled-connector"
    run = await lab.run("issue-1278", role="remedy", remedy=both, **MISROUTED)
    assert [event.attempt for event in run.events("startup.completed")] == [1]


@pytest.mark.slow
async def test_the_egress_flag_leaves_the_outage_of_a_connector_without_capacity(
    lab: Lab,
) -> None:
    until = {**MISROUTED, "heal_s": 400}  # three deaths on a busy machine, too
    run = await lab.run("issue-1278", role="remedy", remedy="egress-flag", **until)
    run.expect(Verdict.REPRODUCED)

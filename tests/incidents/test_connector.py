"""Issue 1278 behind a connector that scales by a cited profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crashloop.checks.connections import of_link
from crashloop.errors import UsageError
from crashloop.model import Verdict
from crashloop.profiles import load

if TYPE_CHECKING:
    from crashloop.testing import Lab

AUDIT = load("audit")
OBSERVED: dict[str, Any] = {
    "connector": "audit",
    "platform": "cloud-run-observed",
    "warm_connections": 2,
}


@pytest.mark.slow
async def test_the_audits_connector_gives_the_outage_and_its_heal_ends_it(lab: Lab) -> None:
    run = await lab.run("issue-1278", **OBSERVED)

    run.expect(Verdict.REPRODUCED)
    draws = AUDIT.draws(seed=run.seed, until_s=AUDIT.settles_at_s)
    held = run.events("link.held")
    assert len(held) > 3
    for event in held:
        assert event.data["drawn_s"] * run.trace.scale == pytest.approx(draws[event.data["slot"]])
    (healed,) = run.events("fault.healed")
    passed = next(e for e in run.events("baseline.passed") if e.target == "postgres")
    after_s = (healed.mono_ns - passed.mono_ns) / 1e9 * run.trace.scale
    assert after_s == pytest.approx(AUDIT.settles_at_s, abs=10)


@pytest.mark.slow
async def test_a_start_of_two_connections_waits_for_one_after_the_other(lab: Lab) -> None:
    run = await lab.run("issue-1278", **OBSERVED, limit_s=65, heal_s=120)

    run.expect(Verdict.NOT_REPRODUCED)
    first, second = run.events("link.held", attempt=1)[:2]
    (released,) = of_link(run.trace, "link.released", first)
    assert released.data["reason"] == "delay"
    assert second.mono_ns > released.mono_ns
    took = [e for e in run.events("phase.completed") if e.data["phase"] == "database"]
    waited_s = first.data["hold_s"] + second.data["hold_s"]
    assert took[0].data["duration_s"] >= waited_s


@pytest.mark.slow
async def test_two_replicas_meet_the_same_draws(lab: Lab) -> None:
    # Long enough for three deaths of each on a busy machine, where a start takes longer.
    run = await lab.run("issue-1278", **OBSERVED, replicas=2, heal_s=400)

    run.expect(Verdict.REPRODUCED)
    by_slot: dict[int, set[float]] = {}
    for event in run.events("link.held"):
        by_slot.setdefault(event.data["slot"], set()).add(event.data["drawn_s"])
    assert {event.replica for event in run.events("link.held")} == {1, 2}
    assert all(len(drawn) == 1 for drawn in by_slot.values())


async def test_a_profile_with_a_mistake_is_refused_before_anything_starts(lab: Lab) -> None:
    with pytest.raises(UsageError, match="there is no connector profile 'audti'"):
        await lab.run("issue-1278", connector="audti")


@pytest.mark.slow
async def test_a_fresh_instance_waits_for_its_egress_once(lab: Lab) -> None:
    fresh = {**OBSERVED, "connector": "direct-vpc-egress"}
    run = await lab.run("issue-1278", **fresh, limit_s=90, heal_s=120)

    run.expect(Verdict.NOT_REPRODUCED)
    (held,) = run.events("link.held", attempt=1)
    (database,) = (
        e for e in run.events("phase.completed", attempt=1) if e.data["phase"] == "database"
    )
    took_s = database.data["duration_s"]
    assert held.data["drawn_s"] <= took_s < held.data["drawn_s"] + 20 / run.trace.scale


@pytest.mark.slow
async def test_every_restart_is_a_fresh_instance_that_waits_again(lab: Lab) -> None:
    fresh = {**OBSERVED, "connector": "direct-vpc-egress"}
    run = await lab.run("issue-1278", **fresh, heal_s=400)  # three deaths on a busy machine, too

    run.expect(Verdict.REPRODUCED)
    assert len({event.attempt for event in run.events("link.held")}) >= 3

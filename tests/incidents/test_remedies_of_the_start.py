"""What the sample app's remedies of its start-up end, and what they do not, in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crashloop.incidents import incident
from crashloop.incidents.restart_herd import CAPACITY
from crashloop.model import Role, Verdict

if TYPE_CHECKING:
    from crashloop.testing import Lab, LabRun

AUDIT: dict[str, Any] = {"connector": "audit", "warm_connections": 2}


async def run_with(lab: Lab, remedy: str, name: str = "issue-1278", **params: Any) -> LabRun:
    return await lab.run(incident(name).scenario(Role.REMEDY, remedy=remedy, **params))


def deaths(run: LabRun) -> list[Any]:
    """The exits before the run ended the app itself."""
    return [event for event in run.events("process.exited") if not event.data["requested"]]


@pytest.mark.slow
async def test_retry_jitter_outlasts_an_outage_that_is_shorter_than_its_budget(lab: Lab) -> None:
    run = await run_with(lab, "retry-jitter", heal_s=180)

    run.expect(Verdict.NOT_REPRODUCED)
    assert not deaths(run)
    assert len(run.events("database.retry_failed")) >= 2
    assert len(run.events("database.retried")) == 1


@pytest.mark.slow
async def test_retry_jitter_gives_up_within_its_budget_when_the_outage_is_longer(lab: Lab) -> None:
    run = await run_with(lab, "retry-jitter", heal_s=300)

    (death,) = deaths(run)
    assert death.data["exit_code"] == 3
    (failed,) = run.events("phase.failed")
    assert 200 <= failed.data["duration_s"] * run.trace.scale <= 222
    assert failed.data["limit_s"] * run.trace.scale == pytest.approx(230)


@pytest.mark.slow
async def test_a_retry_around_a_probe_connection_does_not_end_it(lab: Lab) -> None:
    run = await run_with(lab, "retry-probe", **AUDIT, heal_s=600, platform="docker:always")

    run.expect(Verdict.NOT_REPRODUCED)  # but another outage: half-fixed-probe-connection
    assert len(deaths(run)) > 2
    probed = run.events("database.probed")
    failed = {event.life for event in run.events("phase.failed")}
    assert failed
    assert failed <= {event.life for event in probed}


@pytest.mark.slow
async def test_a_measured_limit_grows_past_the_connection_times_and_ends_it(lab: Lab) -> None:
    run = await run_with(lab, "measured-limit", **AUDIT, heal_s=400)

    run.expect(Verdict.NOT_REPRODUCED)
    limits = [e.data["limit_s"] * run.trace.scale for e in run.events("remedy.limit_measured")]
    # 20 s is below two connection times of 10 to 30 s in any case, and 80 s above them.
    assert limits == [pytest.approx(at, rel=0.05) for at in (20.0, 40.0, 80.0)][: len(limits)]
    assert 1 <= len(deaths(run)) == len(limits) - 1 <= 2
    (ready,) = (event for event in run.events("ready.answered") if event.data["ready"])
    assert ready.mono_ns < run.events("fault.healed")[0].mono_ns


@pytest.mark.slow
async def test_degraded_phases_start_while_the_cache_still_loads(lab: Lab) -> None:
    run = await run_with(lab, "degraded-phases", "cache-still-loading")

    run.expect(Verdict.NOT_REPRODUCED)
    assert not deaths(run)
    assert [event.data["phase"] for event in run.events("phase.degraded")] == ["cache"]


@pytest.mark.slow
async def test_sigterm_ends_a_killed_start_at_once_but_not_the_loop(lab: Lab) -> None:
    run = await run_with(lab, "sigterm", "retry-longer-than-the-probe", probe_s=100)

    killed = run.events("process.killed")
    assert [event.data["signal"] for event in killed] == ["SIGTERM", "SIGTERM"]
    for kill, death in zip(killed, deaths(run), strict=True):
        assert death.data["signal"] == "SIGTERM"
        assert (death.mono_ns - kill.mono_ns) / 1e9 < kill.data["wall_s"], "within its grace"


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["retry-jitter", "retry-probe"])
async def test_a_wrong_password_is_tried_once_with_either_retry(lab: Lab, remedy: str) -> None:
    run = await run_with(lab, remedy, "fault:wrong_password")

    run.expect(Verdict.REPRODUCED)
    assert not run.events("database.retry_failed")


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_random_pauses_end_a_herd_although_its_table_stays_as_slow(lab: Lab) -> None:
    run = await run_with(lab, "jitter", "restart-herd")

    run.expect(Verdict.NOT_REPRODUCED)
    assert {death.data["signal"] for death in deaths(run)} == {"SIGKILL"}, "only the crash kills"
    (healed,) = (e for e in run.events("fault.healed") if e.data["fault"] == CAPACITY)
    assert "ready.answered" in healed.data["trigger"]
    assert run.events("database.retry_failed"), "at first they read together"
    assert next(f for f in run.findings if f.check == "journey_passed").holds

"""Fifty replicas start at once on a Postgres that takes 100 connections, in real time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.apps import with_knobs
from crashloop.incidents import incident
from crashloop.model import Role
from crashloop.trace.event import SESSIONS_COUNTED, SESSIONS_PEAK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Scenario
    from crashloop.testing import Lab, LabRun

REPLICAS = 50
WARM = 4
MAX_CONNECTIONS = 100  # Postgres' own default
FOR_THE_APP = MAX_CONNECTIONS - 3  # superuser_reserved_connections, its own default
NO_SLOT = "53300"


def starts(*, sized: bool) -> Scenario:
    """The starts of issue 1278 without a fault; a replica that fails is started once more."""
    starts = incident("issue-1278").scenario(
        Role.CONTROL, replicas=REPLICAS, warm_connections=WARM, platform="docker:on-failure:1"
    )
    if not sized:
        return starts
    remedy = starts.app.remedies["pool-sizing"]
    return replace(starts, app=with_knobs(starts.app, remedy.knobs))


def refused(run: LabRun) -> list[Mapping[str, Any]]:
    """Each connection that Postgres refused for want of a slot, by its own log."""
    errors = run.events("database.error")
    return [event.data for event in errors if event.data["sqlstate"] == NO_SLOT]


def peak(run: LabRun) -> int:
    """The most sessions that the app had at once, by Postgres' log."""
    return max(int(event.data["count"]) for event in run.events(SESSIONS_PEAK))


def ready(run: LabRun) -> int:
    """How many replicas have started."""
    return len({event.replica for event in run.events("startup.completed")})


def left(run: LabRun) -> int:
    """How many sessions the lives had left when they had ended, by pg_stat_activity."""
    counted = run.events(SESSIONS_COUNTED)
    assert len(counted) == len(run.events("process.exited"))
    return sum(event.data["count"] for event in counted)


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.timeout(300)
async def test_with_four_warm_connections_each_some_take_every_slot_and_the_others_are_refused(
    lab: Lab,
) -> None:
    run = await lab.run(starts(sized=False), time_scale=1)

    assert len(refused(run)) >= REPLICAS - FOR_THE_APP // WARM
    assert 0 < ready(run) <= FOR_THE_APP // WARM
    assert FOR_THE_APP - WARM < peak(run) <= FOR_THE_APP
    failed = run.events("phase.failed")
    assert {event.data["error"][-1]["sqlstate"] for event in failed} == {NO_SLOT}
    assert left(run) == 0


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.timeout(300)
async def test_with_pool_sizing_each_takes_its_share_and_none_is_refused(lab: Lab) -> None:
    run = await lab.run(starts(sized=True), time_scale=1)

    assert not refused(run)
    assert ready(run) == REPLICAS
    assert peak(run) == REPLICAS
    sized = [event.data for event in run.events("remedy.pool_sized")]
    assert [data["share"] for data in sized] == [1] * REPLICAS
    assert {(data["max_connections"], data["reserved"]) for data in sized} == {(100, 3)}
    assert len(run.events("process.started")) == REPLICAS
    assert left(run) == 0

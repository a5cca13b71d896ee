"""The memory limit of the app's containers: what the kernel does, and what is reported of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from docker_cases import recorder

from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.incidents import incident
from crashloop.model import Role

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.model import Life
    from crashloop.trace.event import Event

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

BOUND_S = 60.0
MIB = 1024 * 1024
OLD_LIMIT, LIMIT = 64 * MIB, 128 * MIB
# Replica 1 takes next to nothing, 2 more than the old limit, and 3 more than the limit.
LIFE = "import sys, time; kept = b'x' * ((int(sys.argv[1]) - 1) * 96 << 20); time.sleep(1000)"
OVER_OLD_LIMIT, EXCEEDED = "process.memory_over_old_limit", "process.memory_exceeded"


async def test_a_life_over_the_old_limit_is_reported_and_one_over_the_limit_is_killed(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    made = incident("issue-1278").scenario(Role.CONTROL, platform="kubernetes", replicas=3)
    app = replace(made.app, command=("python", "-c", LIFE, "{replica}"), env={})
    events, all_seen = recorder(), asyncio.Event()
    awaited = {(OVER_OLD_LIMIT, 2), (EXCEEDED, 3), ("process.exited", 3)}

    def look(_: Event) -> None:
        if awaited <= {(event.kind, event.replica) for event in events.events}:
            all_seen.set()

    events.subscribe(look)
    setup = Setup(
        scenario=replace(made, app=app),
        seed=1,
        scale=TimeScale(factor=1),
        recorder=events,
        artifacts=tmp_path,
    )
    async with docker_engine.open(setup) as engine:
        replicas, quotas = engine.replica_set(lambda _: None, _at_once), engine.ports.quotas()
        assert quotas is not None
        async with quotas.memory(LIMIT, fault="limit", old_limit_bytes=OLD_LIMIT):
            running = asyncio.create_task(replicas.run())
            async with asyncio.timeout(BOUND_S):
                await all_seen.wait()
            await replicas.stop()
            await running

    over = {event.replica: event.data for event in events.events if event.kind == OVER_OLD_LIMIT}
    assert 1 not in over
    assert over[2]["fault"] == "limit"
    assert OLD_LIMIT == over[2]["old_limit_bytes"] < over[2]["resident_bytes"] <= LIMIT
    assert {event.replica for event in events.events if event.kind == EXCEEDED} == {3}
    died = next(e for e in events.events if e.kind == "process.exited" and e.replica == 3)
    assert died.data["exit_code"] == 137


async def _at_once(_: Life, __: float) -> bool:
    return False

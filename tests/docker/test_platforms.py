"""The platforms on Docker: the supervisor restarts containers whose own restart is off."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from restart_gaps import Lived, decisions_of, gaps_between, overhead_s

from crashloop.clock import NS_PER_S, TimeScale
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.images import Images
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Role
from crashloop.options import RunOptions
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.engines.base import Engine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SCALE = TimeScale(factor=20)
START_S = 2.0  # what Docker may take to start a container
SWARM_ADDRESS = "127.0.0.1"
SWARM_LIVES = 6
SWARM_LATE_S = 1.5


async def test_nomads_model_restarts_a_container_twice_and_gives_up(
    docker_engine: type[Engine], tmp_path: Path
) -> None:
    made = incident("issue-1278").scenario(Role.CONTROL)
    dies = replace(made.app, command=("sh", "-c", "exit 3"), env={"PORT": "{port}"})
    scenario = replace(made, app=dies, platform=parse_platform("nomad"), deadline_s=600.0)
    options = RunOptions(engine=docker_engine, scale=SCALE, seed=1, artifacts=tmp_path / "run")

    trace = (await run_scenario(scenario, options)).trace

    assert not trace.of("harness.failed")
    exits, started = trace.of("process.exited"), trace.of("process.started")
    assert [event.data["exit_code"] for event in exits] == [3, 3, 3]
    assert [event.attempt for event in started] == [1, 2, 3]
    scheduled = trace.of("restart.scheduled")
    assert all(15.0 <= restart.data["backoff_s"] <= 18.75 for restart in scheduled)
    for restart, died, again in zip(scheduled, exits, started[1:], strict=False):
        gap_s = (again.mono_ns - died.mono_ns) / NS_PER_S
        assert restart.data["wall_s"] <= gap_s <= restart.data["wall_s"] + START_S
    assert trace.of("restart.gave_up")


@pytest.fixture
def swarm(docker_engine: type[Engine]) -> Iterator[Any]:
    """A swarm of this daemon alone, on the loopback; it is left at the end."""
    del docker_engine
    with contextlib.closing(connect()) as daemon:
        client = daemon.client
        if client.info()["Swarm"]["LocalNodeState"] != "inactive":
            pytest.skip("this daemon is in a swarm already")
        before = {network.name for network in client.networks.list()}
        client.swarm.init(advertise_addr=SWARM_ADDRESS, listen_addr=f"{SWARM_ADDRESS}:2377")
        try:
            yield client
        finally:
            client.swarm.leave(force=True)
            for network in client.networks.list():
                if network.name == "docker_gwbridge" and network.name not in before:
                    network.remove()


@pytest.mark.realtime
def test_swarm_itself_restarts_when_its_model_says(swarm: Any) -> None:
    name = f"crashloop-{uuid.uuid4().hex[:8]}"
    service = swarm.services.create(
        Images.from_environment().cache_image,
        command=["sh", "-c", "sleep 1; exit 3"],
        name=name,
    )
    try:
        lives = lives_of(swarm, service.id)
    finally:
        service.remove()

    platform = parse_platform("swarm")
    gaps = gaps_between(lives, platform)
    print("swarm", *(f"{gap}, back-off {gap.backoff_s:g} s" for gap in gaps), sep="\n  ")  # noqa: T201
    assert all(decision.restart for decision in decisions_of(lives, platform))
    assert all(gap.seen_s >= gap.backoff_s for gap in gaps)
    # The median: a busy machine may delay one start by seconds.
    assert overhead_s(gaps) <= SWARM_LATE_S


def lives_of(client: Any, service: str) -> list[Lived]:
    """The first lives of a service, by Docker's own events."""
    label = f"com.docker.swarm.service.id={service}"
    filters = {"type": "container", "event": ["start", "die"], "label": [label]}
    events = client.events(decode=True, filters=filters, since=int(time.time()) - 5)
    bound = threading.Timer(120.0, events.close)
    bound.start()
    started_s, lives = 0.0, []
    try:
        for event in events:
            at_s = event["timeNano"] / NS_PER_S
            if event["Action"] == "start":
                started_s = at_s
                continue
            status = int(event["Actor"]["Attributes"]["exitCode"])
            lives.append(Lived(started_s=started_s, ended_s=at_s, status=status))
            if len(lives) == SWARM_LIVES:
                break
    finally:
        bound.cancel()
        events.close()
    assert len(lives) == SWARM_LIVES
    return lives

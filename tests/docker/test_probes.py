"""Probes in containers: the supervisor ends and restarts a container that Docker does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Platform, Probe, ProbeKind, Role
from crashloop.options import RunOptions
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.base import Engine
    from crashloop.trace.event import Trace

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


async def run(engine: type[Engine], platform: Platform, artifacts: Path) -> Trace:
    """An app that does nothing, on a platform."""
    made = incident("issue-1278").scenario(Role.CONTROL)
    idle = replace(made.app, command=("sleep", "1000"), env={"PORT": "{port}"})
    scenario = replace(made, app=idle, platform=platform, deadline_s=60.0)
    options = RunOptions(engine=engine, scale=TimeScale(factor=1), seed=1, artifacts=artifacts)
    done = await run_scenario(scenario, options)
    assert not done.trace.of("harness.failed"), done.judgement.reason
    return done.trace


@pytest.mark.parametrize(
    "probe",
    [
        Probe(kind=ProbeKind.COMMAND, command=("test", "-e", "/never"), period_s=0.5, failures=2),
        Probe(kind=ProbeKind.TCP, period_s=0.5, failures=2),
    ],
    ids=["command", "tcp"],
)
async def test_a_container_that_fails_its_probe_is_killed_and_started_again(
    probe: Probe, docker_engine: type[Engine], tmp_path: Path
) -> None:
    platform = replace(parse_platform("docker:on-failure:1"), startup=probe, grace_s=1.0)

    trace = await run(docker_engine, platform, tmp_path / "run")

    # The first process of a container does not end by SIGTERM unless it handles it.
    signals = [(event.attempt, event.data["signal"]) for event in trace.of("process.killed")]
    assert signals == [(1, "SIGTERM"), (1, "SIGKILL"), (2, "SIGTERM"), (2, "SIGKILL")]
    assert [event.data["exit_code"] for event in trace.of("process.exited")] == [137, 137]
    started = trace.of("process.started")
    assert len({event.data["pid"] for event in started}) == len(started) == 2
    assert trace.of("restart.gave_up")


async def test_a_command_probe_passes_by_its_exit_status_in_the_container(
    docker_engine: type[Engine], tmp_path: Path
) -> None:
    probe = Probe(kind=ProbeKind.COMMAND, command=("test", "-d", "/srv"), period_s=0.5)
    failing = replace(probe, command=("false",), failures=1)
    platform = replace(
        parse_platform("docker:on-failure:1"), startup=probe, liveness=failing, grace_s=1.0
    )

    trace = await run(docker_engine, platform, tmp_path / "run")

    passed = [event.data["probe"] for event in trace.of("probe.passed")]
    assert passed == ["startup"] * 2
    assert {event.data["probe"] for event in trace.of("probe.failed")} == {"liveness"}

"""A connector profile on Docker: the side-car draws what the local engine's proxy draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Verdict
from crashloop.options import RunOptions
from crashloop.profiles import load

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SEED = 1278


async def test_the_side_car_draws_how_long_connections_take(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    scenario = incident("issue-1278").scenario(connector="audit", warm_connections=2, heal_s=200.0)
    scale = TimeScale(factor=10)
    options = RunOptions(engine=docker_engine, scale=scale, seed=SEED, artifacts=tmp_path / "run")

    run = await run_scenario(scenario, options)

    assert run.verdict is Verdict.REPRODUCED, run.judgement.reason
    draws = load("audit").draws(seed=SEED, until_s=200)
    for held in run.trace.of("link.held"):
        assert held.data["drawn_s"] * scale.factor == pytest.approx(draws[held.data["slot"]])

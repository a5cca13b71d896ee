"""The proof of each incident on Docker: four runs, each ending as it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError
from crashloop.incidents import INCIDENTS, incident
from crashloop.options import RunOptions
from crashloop.proof import prove

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# A container's start is not scaled, so shorter limits than these would not be fair.
SCALES = {"issue-1278": 3, "retry-longer-than-the-probe": 10}
USUAL_SCALE = 4


@pytest.mark.parametrize("name", INCIDENTS)
async def test_the_four_runs_end_as_they_must(
    name: str, docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    options = RunOptions(
        engine=docker_engine,
        scale=TimeScale(factor=SCALES.get(name, USUAL_SCALE)),
        seed=1278,
        artifacts=tmp_path / "proof",
    )

    try:
        proof = await prove(incident(name), {}, options)
    except CapabilityError as error:
        pytest.skip(f"not on this engine: {error}")

    assert proof.proven, [(step.role, step.shortfall) for step in proof.steps]

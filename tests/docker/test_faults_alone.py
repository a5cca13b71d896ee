"""Each fault alone on Docker, where Docker can make it: it acts, and looks as it does elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults_alone import ALONE

from crashloop.clock import TimeScale
from crashloop.engines.docker.capability import require_possible
from crashloop.errors import CapabilityError
from crashloop.incidents import incident
from crashloop.incidents.fault_alone import PREFIX
from crashloop.judge import judge
from crashloop.lab import run_scenario
from crashloop.model import Verdict
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SCALE = 8.0  # a container's start is not scaled, so much more would not be fair
OF_BYTES = {"bandwidth": 4.0, "slicer": 4.0}  # what passes piece by piece needs time for its pieces


def _is_possible(kind: str) -> bool:
    try:
        require_possible(incident(PREFIX + kind).scenario())
    except CapabilityError:
        return False
    return True


@pytest.mark.parametrize("kind", [kind for kind in ALONE if _is_possible(kind)])
async def test_a_fault_looks_on_docker_as_the_catalogue_says(
    kind: str,
    docker_engine: type[DockerEngine],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    scenario = incident(PREFIX + kind).scenario()
    if ALONE[kind].pooler:
        request.getfixturevalue("docker_engine_with_pooler")
    options = RunOptions(
        engine=docker_engine,
        scale=TimeScale(factor=min(OF_BYTES.get(kind, SCALE), scenario.time_scale)),
        seed=1278,
        artifacts=tmp_path / "run",
    )

    run = await run_scenario(scenario, options)

    judgement = judge(run.trace)
    assert judgement.verdict is Verdict.REPRODUCED, judgement.reason

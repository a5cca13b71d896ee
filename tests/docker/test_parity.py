"""Both engines run the same scenario and must have the same outcome; see docs/parity.md.

The runs of proofs are compared by the tests of incidents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from engine_parity import CASES, SCALE, Case, outcome

from crashloop.clock import TimeScale
from crashloop.engines.local import LocalEngine
from crashloop.lab import run_scenario
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.base import Engine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SEED = 1278


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_both_engines_have_the_same_outcome(
    case: Case, docker_engine: type[Engine], tmp_path: Path
) -> None:
    local = await outcome_on(LocalEngine, case, tmp_path / "local")
    docker = await outcome_on(docker_engine, case, tmp_path / "docker")

    assert local["verdict"] is case.verdict
    for each in (local, docker):
        each["findings"] = [found for found in each["findings"] if found[0] not in case.unseen]
    assert docker == local


async def outcome_on(engine: type[Engine], case: Case, artifacts: Path) -> dict[str, Any]:
    options = RunOptions(
        engine=engine, scale=TimeScale(factor=SCALE), seed=SEED, artifacts=artifacts
    )
    run = await run_scenario(case.scenario(), options)
    return outcome(run.trace, run.judgement)

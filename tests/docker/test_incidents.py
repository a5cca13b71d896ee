"""The incidents on Docker: the proof of each, and the same findings as on the local engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from engine_parity import BY_CHANCE, outcome

from crashloop.clock import TimeScale
from crashloop.engines.docker.capability import require_possible
from crashloop.engines.local import LocalEngine
from crashloop.errors import CapabilityError
from crashloop.incidents import INCIDENTS, incident
from crashloop.options import RunOptions
from crashloop.proof import prove

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from crashloop.engines.base import Engine
    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.proof import Proof

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SEED = 1278
MOST = 10.0
"""The largest time scale: the start of a container takes as long at every scale."""
OF_POOLS = {"rollout-deadlock-on-slots": 3.0, "slots-exhausted-at-scale-out": 3.0}
"""Smaller ones, as many connections at once are much work."""

PARAMS = {"orphaned-advisory-lock-behind-a-pooler": {"limit_s": 200}}
"""So that its replicas, which start one after the other, give up in time."""

UNALIKE = {
    "cache-still-loading",
    "egress-cold-start-early-port",
    "issue-1278",
    "oom-killed-while-starting",
    "retry-longer-than-the-probe",
    "slots-exhausted-at-scale-out",
}
"""Those that differ most; only `tox -e docker-all` runs the others, too."""

OF_CHANCE = {
    "orphaned-advisory-lock-behind-a-pooler",
    "rollout-deadlock-on-slots",
    "slots-exhausted-at-scale-out",
    "supervisor-hides-the-failure",
}
"""Those in which chance decides which replica is hit, which worker comes first, whether the last
try of a retry is refused or cut short, or how far a replica has come when a fault is injected."""


def _is_possible(name: str) -> bool:
    try:
        require_possible(incident(name).scenario())
    except CapabilityError:
        return False
    return True


def _runnable(name: str) -> ParameterSet:
    return pytest.param(name, marks=[] if name in UNALIKE else [pytest.mark.docker_all])


@pytest.mark.parametrize("name", [_runnable(name) for name in INCIDENTS if _is_possible(name)])
async def test_the_four_runs_end_as_they_must_and_as_on_the_local_engine(
    name: str, docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    docker = await proof_on(docker_engine, name, tmp_path / "docker")
    assert docker.proven, [(step.role, step.shortfall) for step in docker.steps]

    local = await proof_on(LocalEngine, name, tmp_path / "local")
    left_out = BY_CHANCE if name in OF_CHANCE else ()
    for there, here in zip(docker.steps, local.steps, strict=True):
        on_docker, on_local = (
            outcome(each.run.trace, each.run.judgement) for each in (there, here)
        )
        for part in on_docker.keys() - {*left_out}:
            assert on_docker[part] == on_local[part], (there.role, part)


async def proof_on(engine: type[Engine], name: str, artifacts: Path) -> Proof:
    chosen = incident(name)
    factor = OF_POOLS.get(name, min(chosen.time_scale, MOST))
    options = RunOptions(
        engine=engine, scale=TimeScale(factor=factor), seed=SEED, artifacts=artifacts
    )
    return await prove(chosen, PARAMS.get(name, {}), options)

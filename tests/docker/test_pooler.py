"""PgBouncer in a container: the app works through it, and what goes wrong with it is said."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from docker_cases import recorder

from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.images import Images
from crashloop.engines.docker.owner import OWNER_LABEL, owner_label
from crashloop.engines.docker.removal import ROLE_LABEL
from crashloop.errors import CapabilityError
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Role, Verdict
from crashloop.options import RunOptions
from crashloop.run import evidence_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.model import Scenario
    from crashloop.trace.event import Event

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

ROLE = "pgbouncer"
VARIABLE = "CRASHLOOP_DOCKER_POOLER_IMAGE"
NAMED = "select count(*) from pg_prepared_statements"


def pooled() -> Scenario:
    """A run through a pooler in transaction mode, over TCP, without a fault."""
    return incident("fault:lock_orphaned").scenario(Role.CONTROL)


def options(folder: Path, engine: type[DockerEngine], **more: Any) -> RunOptions:
    scale = TimeScale(factor=4)
    return RunOptions(engine=engine, scale=scale, seed=1278, artifacts=folder / "run", **more)


def left() -> list[str]:
    """The containers and networks of our own runs that are still there."""
    filters = {"label": f"{OWNER_LABEL}={owner_label()}"}
    with contextlib.closing(connect()) as daemon:
        api = daemon.api
        found = [*api.containers(all=True, filters=filters), *api.networks(filters=filters)]
    return [each["Id"] for each in found]


@pytest.mark.parametrize(
    ("fault", "mode"), [("hold", "session"), ("lock_orphaned", "transaction")], ids=["unix", "tcp"]
)
async def test_the_sample_app_starts_and_answers_through_it(
    fault: str, mode: str, docker_engine_with_pooler: type[DockerEngine], tmp_path: Path
) -> None:
    scenario = incident(f"fault:{fault}").scenario(Role.CONTROL, pooler=mode)

    run = await run_scenario(scenario, options(tmp_path, docker_engine_with_pooler))

    assert run.verdict is Verdict.NOT_REPRODUCED, run.judgement.reason
    assert [event.data["step"] for event in run.trace.of("journey.step")] == [1, 2, 3]
    (started,) = run.trace.of("pooler.started")
    assert (started.target, started.data["mode"]) == ("postgres", mode)
    assert "pgbouncer.log" in evidence_files(run.artifacts, run.trace)
    assert not run.trace.of("database.backends"), "a pooler's sessions are nobody's"
    seen = json.loads((run.artifacts / "containers.json").read_text())[ROLE]["NetworkSettings"]
    assert [name.rpartition("-")[2] for name in seen["Networks"]] == ["back"]
    assert not any(seen["Ports"].values()), "no port is published"
    assert left() == []


async def test_the_harness_prepares_nothing_that_the_app_could_meet_in_its_sessions(
    docker_engine_with_pooler: type[DockerEngine], tmp_path: Path
) -> None:
    scale = TimeScale(factor=1)
    setup = Setup(scenario=pooled(), seed=1, scale=scale, recorder=recorder(), artifacts=tmp_path)
    async with docker_engine_with_pooler.open(setup) as engine:
        await engine.baseline()
        async with engine.ports.pooler("postgres").session() as client:
            assert await client.fetchval(NAMED) == 0


async def test_one_that_somebody_kills_makes_the_run_invalid(
    docker_engine_with_pooler: type[DockerEngine], tmp_path: Path
) -> None:
    mine = [f"{OWNER_LABEL}={owner_label()}", f"{ROLE_LABEL}={ROLE}"]

    def kill(event: Event) -> None:
        if event.kind == "process.started":
            with contextlib.closing(connect()) as daemon:
                for container in daemon.client.containers.list(filters={"label": mine}):
                    container.kill()

    run = await run_scenario(pooled(), options(tmp_path, docker_engine_with_pooler, on_event=kill))

    assert run.verdict is Verdict.HARNESS_ERROR
    assert "the container pgbouncer was sent a signal" in run.judgement.reason
    assert left() == []


@pytest.fixture
def image(docker_engine: object) -> Iterator[Callable[[str], str]]:
    """Builds an image whose `pgbouncer` is a shell script."""
    del docker_engine
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(contextlib.closing(connect()))

        def build(script: str) -> str:
            program = "/usr/local/sbin/pgbouncer"  # before any other
            written = f"printf '#!/bin/sh\\n{script}\\n' >{program} && chmod +x {program}"
            text = f"FROM {Images.from_environment().base_image}\nRUN {written}\n"
            made, _ = daemon.client.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
            stack.callback(daemon.client.images.remove, made.id, force=True)
            return str(made.id)

        yield build


async def test_an_image_that_cannot_be_pulled_is_named_with_its_variable(
    docker_engine: type[DockerEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "no-such-image:1")

    with pytest.raises(CapabilityError, match="no-such-image:1 is not here and cannot") as refused:
        await run_scenario(pooled(), options(tmp_path, docker_engine))

    assert VARIABLE in refused.value.hint


async def test_an_image_without_pgbouncer_is_refused(
    docker_engine: type[DockerEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, Images.from_environment().toxiproxy_image)

    with pytest.raises(CapabilityError, match="has no pgbouncer on its PATH") as refused:
        await run_scenario(pooled(), options(tmp_path, docker_engine))

    assert VARIABLE in refused.value.hint
    assert left() == []


async def test_a_pgbouncer_that_is_too_old_is_refused_with_its_last_lines(
    image: Callable[[str], str],
    docker_engine: type[DockerEngine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, image('echo "LOG process up: PgBouncer 1.17.0"; sleep 60'))

    with pytest.raises(CapabilityError, match=r"PgBouncer 1\.18 is needed") as refused:
        await run_scenario(pooled(), options(tmp_path, docker_engine))

    assert "    LOG process up: PgBouncer 1.17.0" in refused.value.message
    assert VARIABLE in refused.value.hint
    assert left() == []


async def test_a_pgbouncer_that_refuses_its_configuration_is_shown_with_its_last_lines(
    image: Callable[[str], str],
    docker_engine: type[DockerEngine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, image('echo "FATAL cannot load config file"; exit 1'))

    run = await run_scenario(pooled(), options(tmp_path, docker_engine))

    assert run.verdict is Verdict.HARNESS_ERROR
    assert "ended with 1 before it listened" in run.judgement.reason
    assert "    FATAL cannot load config file" in run.judgement.reason
    assert "FATAL cannot load config file" in (run.artifacts / "pgbouncer.log").read_text()
    assert left() == []


async def test_a_lock_that_stays_in_the_pooler_is_the_reported_outage(
    docker_engine_with_pooler: type[DockerEngine], tmp_path: Path
) -> None:
    chosen = incident("orphaned-advisory-lock-behind-a-pooler")
    scale = TimeScale(factor=12)
    how = RunOptions(
        engine=docker_engine_with_pooler, scale=scale, seed=1278, artifacts=tmp_path / "run"
    )

    run = await run_scenario(chosen.scenario(limit_s=200), how)

    assert run.verdict is Verdict.REPRODUCED, run.judgement.reason

"""Faults of Postgres and Redis themselves, in containers: each acts, is healed, and is shown."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from docker_cases import recorder

from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.removal import ROLE_LABEL, RUN_LABEL
from crashloop.faults import build, plan
from crashloop.incidents import incident
from crashloop.model import Moment, Scenario, Trigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.model import PlannedFault, Value
    from crashloop.trace.event import Event

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SCALE = TimeScale(factor=1)
NEVER = Trigger(first_of=(Moment(on="never"),))
# Prints how a connection along the app's own path ends: with an error, or with an answer.
ASK_POSTGRES = """
import asyncio, asyncpg, sys
async def ask():
    connection = await asyncpg.connect(sys.argv[1], timeout=2)
    print(await connection.fetchval("select 1"))
    await connection.close()
try:
    asyncio.run(ask())
except Exception as error:
    print(type(error).__name__, getattr(error, "sqlstate", None))
"""
ASK_REDIS = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 6379), 2) as client:
        client.sendall(b"PING\\r\\n")
        print(client.recv(100).decode().split()[0])
except OSError as error:
    print(type(error).__name__)
"""


class Lab:
    """A run without an app; its questions come from a container on the app's network."""

    def __init__(self, engine: DockerEngine, events: list[Event]) -> None:
        self.engine = engine
        self.events = events
        (ready,) = self.of("lab.ready")
        self._run = ready.data["run"]
        self._addresses = ready.data["addresses"]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    async def asks_postgres(self, script: str = ASK_POSTGRES) -> str:
        password = self.engine._servers.database.app_password
        host = self._addresses["postgres"].split(":")[1]
        return await self._ask(script, f"postgresql://app:{password}@{host}/app")

    async def asks_redis(self) -> str:
        return await self._ask(ASK_REDIS, self._addresses["redis"].split(":")[1])

    async def _ask(self, script: str, *words: str) -> str:
        def ask() -> str:
            with contextlib.closing(connect()) as daemon:
                label = [f"{RUN_LABEL}={self._run}", f"{ROLE_LABEL}=app"]
                (app,) = daemon.client.containers.list(all=True, filters={"label": label})
                if app.status != "running":
                    app.start()
                _, output = app.exec_run(["python", "-c", script, *words])
            return str(output.decode().strip())

        return await asyncio.to_thread(ask)


@contextlib.asynccontextmanager
async def lab(engine: type[DockerEngine], artifacts: Path, *faults: PlannedFault) -> Any:
    events = recorder()
    made = incident("issue-1278").scenario(transport="tcp", fault="refuse", platform="kubernetes")
    settings: dict[str, Value] = {"max_connections": 10}
    postgres = replace(made.dependency("postgres"), settings=settings)
    idle = replace(made.app, command=("sleep", "1000"), env={})
    scenario: Scenario = replace(
        made, app=idle, faults=faults, dependencies=(postgres, made.dependency("redis"))
    )
    setup = Setup(scenario=scenario, seed=1, scale=SCALE, recorder=events, artifacts=artifacts)
    async with engine.open(setup) as opened, asyncio.TaskGroup() as group:
        watching = group.create_task(opened.fail_when_broken())
        yield Lab(opened, events.events)
        watching.cancel()


@contextlib.asynccontextmanager
async def active(
    lab: Lab, kind: str, target: str = "postgres", **params: Value
) -> AsyncIterator[None]:
    planned = plan(name=kind, target=target, kind=kind, params=params, inject=NEVER, heal=NEVER)
    async with build(planned, SCALE).active(lab.engine.ports, name=kind, target=target):
        yield


async def test_taken_slots_refuse_the_app_as_postgres_itself_logs(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    async with lab(docker_engine, tmp_path) as run:
        async with active(run, "slots_taken"):
            assert await run.asks_postgres() == "TooManyConnectionsError 53300"
            await run.engine._servers.database.settle()
        assert await run.asks_postgres() == "1"

    (taken,) = run.of("database.sessions_taken")
    assert taken.data["left"] == 0
    (error,) = run.of("database.error")
    assert (error.target, error.data["sqlstate"], error.data["role"]) == (
        "postgres",
        "53300",
        "app",
    )
    assert error.data["client"]


async def test_a_lock_that_is_held_shows_who_waits_for_it(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    wait = ASK_POSTGRES.replace("select 1", "select pg_advisory_lock(7)").replace(
        "fetchval(", "fetchval(timeout=2, query="
    )
    async with lab(docker_engine, tmp_path) as run, active(run, "lock_held", advisory=7):
        assert (await run.asks_postgres(wait)).startswith("TimeoutError")

    (waiting,) = run.of("database.lock_waiting")
    assert waiting.target == "postgres"
    assert waiting.data["client"]


async def test_a_paused_postgres_answers_nobody_and_is_no_interference(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    async with lab(docker_engine, tmp_path) as run:
        async with active(run, "paused"):
            assert (await run.asks_postgres()).startswith("TimeoutError")
            asking = asyncio.create_task(run.engine.query("postgres", "select 7"))
            await asyncio.sleep(0)
            assert not asking.done()
        assert await asking == 7
        assert await run.asks_postgres() == "1"

    (stopped,), (continued,) = run.of("process.stopped"), run.of("process.continued")
    assert stopped.data["pids"] == continued.data["pids"] != []
    assert stopped.mono_ns < continued.mono_ns


async def test_a_starting_postgres_answers_57p03_until_it_is_promoted(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    async with lab(docker_engine, tmp_path) as run:
        for _ in range(2):
            async with active(run, "starting_up"):
                assert await run.asks_postgres() == "CannotConnectNowError 57P03"
            assert await run.asks_postgres() == "1"
        assert await run.engine.query("postgres", "select 7") == 7
        await run.engine._servers.database.settle()

    assert [event.data for event in run.of("database.starting")] == [{"sqlstate": "57P03"}] * 2
    assert len(run.of("database.promoted")) == 2
    errors = [event.data["sqlstate"] for event in run.of("database.error")]
    assert errors == ["57P03"] * 2, "the harness's own refusals are none"


async def test_a_loading_redis_answers_loading_and_keeps_what_it_had(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    loading = plan(name="loading", target="redis", kind="loading", inject=NEVER, heal=NEVER)
    async with lab(docker_engine, tmp_path, loading) as run:
        async with active(run, "loading", target="redis"):
            assert await run.asks_redis() == "-LOADING"
        assert await run.asks_redis() == "+PONG"

    assert [len(run.of(kind)) for kind in ("cache.loading", "cache.loaded")] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "seen"), [("refuse", "ConnectionRefusedError"), ("hold", "TimeoutError")]
)
async def test_the_path_to_redis_has_faults_of_its_own(
    kind: str, seen: str, docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    async with lab(docker_engine, tmp_path) as run:
        async with active(run, kind, target="redis"):
            assert await run.asks_redis() == seen
            assert await run.asks_postgres() == "1"
        assert await run.asks_redis() == "+PONG"

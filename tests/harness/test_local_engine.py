"""The local engine with real servers: replicas, their links, their sessions."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from leftovers import LINUX
from local_runs import CONNECTS_AT_ONCE, HAS_A_SESSION, POSTGRES, REDIS, opened

from crashloop.engines import sessions
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.model import Life, Probe, ProbeKind, Replicas, Transport
from crashloop.platforms import parse_platform
from crashloop.proxy.faults import Refuse

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Dependency


TRANSPORTS = [replace(POSTGRES, transport=transport) for transport in Transport]


async def test_each_replica_has_its_own_port_and_log(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES, replicas=Replicas(count=2)) as run:
        async with run.replicas():
            await run.until("app.output", count=2)
        (ready,) = run.of("lab.ready")
    given = {each.life.replica: each.address for each in run.lives if each.address}
    addresses = {str(replica): f"{host}:{port}" for replica, (host, port) in given.items()}
    assert ready.data["app_addresses"] == addresses
    assert len(set(addresses.values())) == 2
    for replica in (1, 2):
        log = tmp_path / f"replica-{replica}-attempt-1.log"
        assert log.read_text() == "session new\n"


async def test_the_only_replica_has_logs_without_its_number(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES) as run, run.replicas():
        await run.until("app.output")
    assert (tmp_path / "attempt-1.log").read_text() == "session new\n"


@pytest.mark.skipif(not LINUX, reason="a TCP client is named by Linux's /proc")
async def test_an_app_that_connects_at_once_is_named_by_its_process(tmp_path: Path) -> None:
    async with opened(tmp_path, CONNECTS_AT_ONCE, POSTGRES, replicas=Replicas(count=8)) as run:
        async with run.replicas():
            links = await run.until("link.opened", count=8)
        pids = {event.life: event.data["pid"] for event in run.of("process.started")}
    assert {event.life for event in links} == {Life(replica, 1) for replica in range(1, 9)}
    assert {event.life: event.data["client_pid"] for event in links} == pids


@pytest.mark.parametrize("postgres", TRANSPORTS, ids=lambda each: each.transport)
async def test_sessions_are_counted_by_life_and_not_by_role(
    tmp_path: Path, postgres: Dependency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "GONE_BOUND_S", 0.0)
    replicas = Replicas(count=2)
    async with opened(tmp_path, HAS_A_SESSION, postgres, replicas=replicas) as run, run.replicas():
        await run.until("app.output", count=2)
        first = next(event for event in run.of("process.started") if event.replica == 1)
        os.kill(first.data["pid"], signal.SIGKILL)
        await run.until("process.exited")
        monkeypatch.setattr(sessions, "GONE_BOUND_S", 5.0)
        await run.engine.count_sessions(Life(1, 1))
        monkeypatch.setattr(sessions, "GONE_BOUND_S", 0.0)
        await run.engine.count_sessions(Life(2, 1))
    counts = {event.life: event.data["count"] for event in run.of("database.backends")}
    assert counts == {Life(1, 1): 0, Life(2, 1): 1}
    assert {event.target for event in run.of("database.backends")} == {"postgres"}


async def test_a_refused_session_is_the_error_of_the_life_that_asked_for_it(tmp_path: Path) -> None:
    few = replace(POSTGRES, settings={"max_connections": 5})  # 3 are the superuser's
    async with opened(tmp_path, HAS_A_SESSION, few, replicas=Replicas(count=3)) as run:
        async with run.replicas():
            await run.until_replicas(3, "app.output", "process.exited")
        served = {event.life for event in run.of("app.output") if "session" in str(event)}
    errors = run.of("database.error")
    # A refused client holds a slot until it has left: of three at once, two may be refused.
    assert errors
    assert {error.data["sqlstate"] for error in errors} == {"53300"}
    assert {error.target for error in errors} == {"postgres"}
    refused = {error.life for error in errors}
    assert refused >= {Life(replica, 1) for replica in (1, 2, 3)} - served
    assert refused <= {each.life for each in run.lives} - served
    (peak,) = run.of("database.sessions_peak")
    assert (peak.target, peak.data["count"]) == ("postgres", len(served))


async def test_an_error_of_a_client_around_the_proxy_is_recorded_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES) as run:
        (started,) = run.of("database.started")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(host="127.0.0.1", port=started.data["port"], user="nobody")
    (error,) = run.of("database.error")
    assert (error.life, error.data["sqlstate"]) == (None, "28P01")


async def test_baselines_prove_each_path_and_name_its_link(tmp_path: Path) -> None:
    unix = replace(POSTGRES, transport=Transport.UNIX)
    async with opened(tmp_path, HAS_A_SESSION, unix, REDIS) as run:
        await run.engine.baseline()
        (ready,) = run.of("lab.ready")
        postgres, redis = run.of("baseline.passed")
        opens = {event.target: event.data["link"] for event in run.of("link.opened")}
    assert (postgres.target, postgres.data["sessions"]) == ("postgres", 1)
    assert (redis.target, redis.data["query"]) == ("redis", "PING")
    assert opens == {"postgres": postgres.data["link"], "redis": redis.data["link"]}
    assert ready.data["addresses"]["postgres"].startswith("unix:/")
    assert ready.data["addresses"]["redis"].startswith("tcp:127.0.0.1:")


@pytest.mark.parametrize("target", ["postgres", "redis"])
async def test_a_path_that_does_not_work_fails_the_baseline(tmp_path: Path, target: str) -> None:
    async with opened(tmp_path, HAS_A_SESSION) as run:
        await run.engine.ports.path(target).inject("no", Refuse())
        with pytest.raises(HarnessError, match="did not work before any fault"):
            await run.engine.baseline()
    assert not run.of("baseline.passed")


async def test_a_query_gives_its_value_or_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION) as run:
        assert await run.engine.query("postgres", "select 40 + 2") == 42
        assert await run.engine.query("postgres", "select 1 where false") is None
        assert await run.engine.query("postgres", "select id from no_such_table") is None
        with pytest.raises(UsageError, match="'redis' is not a Postgres"):
            await run.engine.query("redis", "select 1")


async def test_a_fault_that_the_dependency_cannot_have_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION) as run:
        with pytest.raises(CapabilityError, match="'redis' is not one"):
            run.engine.ports.database("redis")
        with pytest.raises(CapabilityError, match="'postgres' is not one"):
            run.engine.ports.cache("postgres")
        with pytest.raises(CapabilityError, match="no path to 'kafka'"):
            run.engine.ports.path("kafka")


async def test_the_command_of_a_probe_runs_where_its_app_runs(tmp_path: Path) -> None:
    app = replace(
        CONNECTS_AT_ONCE,
        command=("sh", "-c", "touch here; exec sleep 60"),
        env={"REPLICA": "{replica}"},
    )
    command = ("sh", "-c", 'test -e here && test "$REPLICA" = 1')
    probe = Probe(kind=ProbeKind.COMMAND, command=command, period_s=1.0)
    platform = replace(parse_platform("kubernetes"), startup=probe, liveness=None, readiness=None)
    async with opened(tmp_path, app, REDIS, platform=platform) as run, run.replicas():
        (passed,) = await run.until("probe.passed")
    assert passed.life == Life(1, 1)
    assert passed.data["probe"] == "startup"


@pytest.mark.parametrize(
    ("started", "words"),
    [
        ("database.started", "Postgres died"),
        ("cache.started", "the cache died"),
        ("proxy.started", "the fault proxy was ended by SIGKILL"),
    ],
)
async def test_the_death_of_any_server_breaks_the_run(
    tmp_path: Path, started: str, words: str
) -> None:
    async with opened(tmp_path, HAS_A_SESSION) as run:
        watching = asyncio.create_task(run.engine.fail_when_broken())
        (event,) = run.of(started)
        os.kill(event.data["pid"], signal.SIGKILL)
        with pytest.raises(HarnessError, match=words):
            await asyncio.wait_for(watching, 10)


async def test_a_planned_restart_is_not_a_death(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION) as run:
        watching = asyncio.create_task(run.engine.fail_when_broken())
        async with run.engine.ports.database("postgres").starting():
            pass
        async with run.engine.ports.cache("redis").loading():
            pass
        assert await run.engine.query("postgres", "select 1") == 1
        await run.engine.baseline()
        assert not watching.done()
        watching.cancel()

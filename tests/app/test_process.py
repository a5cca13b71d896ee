"""The app as a process of its own, without a database: real exit codes, real log lines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect

import app_under_test
from app_under_test.phases import DEFAULT_PHASES

if TYPE_CHECKING:
    from tests.app.conftest import RunningApp, StartApp

APP_FOLDER = str(Path(app_under_test.__file__).resolve().parent)
LIMIT_S = 0.3
NAMES = [phase.name for phase in DEFAULT_PHASES]


def types(line: dict[str, Any]) -> list[str]:
    return [link["type"] for link in line["error"]]


async def chat(app: RunningApp, *messages: dict[str, str]) -> list[dict[str, Any]]:
    address = (await app.url()).replace("http://", "ws://")
    async with connect(f"{address}/ws/chat") as socket:
        answers = []
        for message in messages:
            await socket.send(json.dumps(message))
            answers.append(json.loads(await socket.recv()))
        return answers


async def test_a_refused_database_fails_fast_exits_3_and_the_log_names_process_and_phases(
    start_app: StartApp, refusing_url: str
) -> None:
    async with start_app(database_url=refusing_url) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert types(failed) == ["ConnectionRefusedError"]
        assert failed["error"][0]["errno"] == 111
        assert failed["duration_s"] < 1.0
        assert failed["limit_s"] == 20.0
        assert failed["address"].startswith("tcp:127.0.0.1:")
        assert "DeterministicStartupError" in (await app.event("startup.failed"))["stack_trace"]
        assert [line["phase"] for line in app.all_of("phase.started")] == NAMES[:3]
        started = app.events[0]
        assert (started["event"], started["app"]) == ("startup.started", "app_under_test.main")
        assert started["server"].startswith("uvicorn ")
        assert started["app_path"] == APP_FOLDER
        assert {line["boot_id"] for line in app.events} == {started["boot_id"]}
        assert {line["pid"] for line in app.events} == {app.process.pid}
        times = [line["mono_ns"] for line in app.events]
        assert times == sorted(times)
        assert "hidden" not in json.dumps(app.events) + "".join(app.output)


async def test_a_silent_database_is_given_up_at_the_limit_and_exits_3(
    start_app: StartApp, silent_url: str
) -> None:
    async with start_app(database_url=silent_url, phase_database_limit_s=LIMIT_S) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert types(failed) == ["TimeoutError", "asyncio.exceptions.CancelledError"]
        assert LIMIT_S <= failed["duration_s"] < LIMIT_S + 0.5
        assert not app.all_of("phase.degraded", "database")
        assert not any("running on" in line for line in app.output)


async def test_a_missing_socket_folder_fails_fast_and_exits_3(
    start_app: StartApp, tmp_path: Path
) -> None:
    url = f"postgresql+asyncpg://app:hidden@/app?host={tmp_path}/p:r:i"
    async with start_app(database_url=url) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert types(failed)[-1] == "FileNotFoundError"
        assert failed["address"] == f"unix:{tmp_path}/p:r:i/.s.PGSQL.5432"


async def test_a_bad_setting_exits_3_and_is_named_in_one_line(start_app: StartApp) -> None:
    async with start_app(database_url="mysql://app:hidden@h/app") as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "init")
        assert "APP_DATABASE_URL" in failed["message"]
        assert types(failed) == ["app_under_test.settings.SettingsError"]
        assert "hidden" not in json.dumps(app.events) + "".join(app.output)


async def test_a_degraded_start_serves_and_keeps_messages_up_to_its_bound(
    start_app: StartApp, silent_url: str
) -> None:
    async with start_app(
        database_url=silent_url,
        phase_database_limit_s=LIMIT_S,
        remedy_degraded_start=True,
        degraded_queue_size=2,
        degraded_reconnect_pause_s=0.01,
    ) as app:
        async with httpx.AsyncClient(base_url=await app.url()) as client:
            ready = await client.get("/health/ready")
            messages = await client.get("/messages")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["phases"]["database"] == "degraded"
        assert list(ready.json()["phases"]) == NAMES
        assert messages.status_code == 503
        assert "error" in messages.json()
        first, second, third = await chat(app, {"text": "a"}, {"text": "b"}, {"text": "c"})
        assert (first["id"], first["stored"], first["text"]) == (None, False, "a")
        assert second["stored"] is False
        assert "error" in third
        failed = await app.event("database.retry_failed")
        assert types(failed)[0] == "TimeoutError"
        assert await app.stop() in {0, -15}
        assert app.all_of("shutdown.completed")


@pytest.mark.slow
async def test_an_unreachable_cache_does_not_stop_the_other_phases(
    start_app: StartApp, silent_url: str, refusing_url: str
) -> None:
    port = refusing_url.rpartition(":")[2].partition("/")[0]
    async with start_app(
        database_url=silent_url,
        phase_database_limit_s=LIMIT_S,
        remedy_degraded_start=True,
        cache_url=f"redis://:hidden@127.0.0.1:{port}/0",
    ) as app:
        await app.event("startup.completed")
        lost = await app.event("phase.degraded", "cache")
        assert lost["critical"] is False
        assert "redis.exceptions.ConnectionError" in types(lost)
        assert lost["address"] == f"tcp:127.0.0.1:{port}"
        assert (await app.event("startup.degraded"))["degraded"] == ["database", "cache"]
        assert "hidden" not in json.dumps(app.events) + "".join(app.output)


class LoadingCache:
    """A Redis that answers every command with -LOADING, as one does while it reads its dump."""

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await reader.read(4096):
            # RESP: a command is an array, and commands may come together.
            answer = b"-LOADING Redis is loading the dataset in memory\r\n"
            writer.write(answer * command.count(b"*"))
            await writer.drain()
        writer.close()


async def test_a_cache_that_still_loads_ends_start_up_if_it_is_critical(
    start_app: StartApp, silent_url: str
) -> None:
    async with (
        LoadingCache() as port,
        start_app(
            database_url=silent_url,
            phase_database_limit_s=LIMIT_S,
            remedy_degraded_start=True,
            cache_url=f"redis://127.0.0.1:{port}/0",
            cache_critical=True,
        ) as app,
    ):
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "cache")
        assert failed["critical"] is True
        assert failed["address"] == f"tcp:127.0.0.1:{port}"
        assert types(failed)[0] == "redis.exceptions.BusyLoadingError"


async def test_a_retry_keeps_trying_while_the_database_refuses_and_gives_up_in_time(
    start_app: StartApp, refusing_url: str
) -> None:
    async with start_app(
        database_url=refusing_url,
        remedy_retry_s=0.3,
        retry_first_pause_s=0.05,
        retry_longest_pause_s=0.05,
        jitter_seed=1278,
    ) as app:
        assert await app.exit_code() == 3
        tries = app.all_of("database.retry_failed", "database")
        assert [line["tries"] for line in tries] == list(range(1, len(tries) + 1))
        assert len(tries) > 2
        # The last try has what is left of the time, which may be too little to be refused in.
        assert {types(line)[0] for line in tries[:-1]} == {"ConnectionRefusedError"}
        assert {line["address"] for line in tries} == {tries[0]["address"]}
        assert tries[0]["address"].startswith("tcp:127.0.0.1:")
        pauses = [line["pause_s"] for line in tries]
        assert pauses[-1] is None
        assert all(0.0 <= pause <= 0.05 for pause in pauses[:-1])
        failed = await app.event("phase.failed", "database")
        assert types(failed) == types(tries[-1])

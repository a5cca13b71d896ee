"""Start-up goes on without cache and services, which are opened in the background."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import pytest
import redis.exceptions
from gate import Gate
from sqlalchemy import make_url
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from app_under_test.phases import NotConfiguredError
from app_under_test.remedies.degraded_phases import may_come_later
from tests.app.test_golden_path import conversation, get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.app.conftest import StartApp

QUICK: dict[str, Any] = {
    "remedy_degraded_phases": True,
    "degraded_phases_wait_s": 0.3,
    "retry_first_pause_s": 0.01,
    "retry_longest_pause_s": 0.05,
}
LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


class Cache:
    """A Redis that answers every command with the same line. A context manager."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while commands := await reader.read(4096):
            # RESP: a command is an array, and commands may come together.
            writer.write(self.answer * commands.count(b"*"))
            await writer.drain()
        writer.close()


@pytest.mark.parametrize("cache_critical", [True, False], ids=["critical", "optional"])
@pytest.mark.slow
async def test_a_cache_that_still_loads_is_opened_when_it_has_loaded(
    start_app: StartApp, database_url: str, cache_critical: bool
) -> None:
    async with (
        Cache(LOADING) as cache,
        start_app(
            database_url=database_url, cache_url=cache.url, cache_critical=cache_critical, **QUICK
        ) as app,
    ):
        await app.event("startup.completed")
        ready = await get(app, "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["phases"]["cache"] == "degraded"
        async with conversation(app) as say:
            assert (await say({"text": "without a cache"}))["stored"] is True
        failed = await app.event("remedy.phase_not_opened", "cache")
        assert failed["error"][0]["type"] == "redis.exceptions.BusyLoadingError"
        cache.answer = b"+OK\r\n"
        opened = await app.event("remedy.phase_opened", "cache")
        assert opened["tries"] > 1
        assert (await get(app, "/health/ready")).json()["status"] == "ready"
        assert await app.stop() in {0, -15}
        assert app.all_of("shutdown.completed")


async def test_a_cache_that_is_silent_delays_start_up_by_the_wait_and_no_more(
    start_app: StartApp, database_url: str, silent_url: str
) -> None:
    port = silent_url.rpartition(":")[2].partition("/")[0]
    async with start_app(
        database_url=database_url,
        cache_url=f"redis://127.0.0.1:{port}/0",
        cache_critical=True,
        **QUICK,
    ) as app:
        degraded = await app.event("phase.degraded", "cache")
        assert 0.3 <= degraded["duration_s"] < degraded["limit_s"]
        await app.event("startup.completed")


async def test_a_wrong_password_of_a_critical_cache_ends_start_up(
    start_app: StartApp, database_url: str
) -> None:
    async with (
        Cache(WRONG_PASSWORD) as cache,
        start_app(
            database_url=database_url, cache_url=cache.url, cache_critical=True, **QUICK
        ) as app,
    ):
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "cache")
        assert failed["error"][0]["type"] == "redis.exceptions.AuthenticationError"


async def test_a_password_that_turns_out_wrong_is_not_tried_again(
    start_app: StartApp, database_url: str
) -> None:
    async with (
        Cache(LOADING) as cache,
        start_app(
            database_url=database_url, cache_url=cache.url, cache_critical=True, **QUICK
        ) as app,
    ):
        await app.event("startup.completed")
        cache.answer = WRONG_PASSWORD
        await app.event("phase.failed", "cache")
        ready = await get(app, "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "failed")


@pytest.mark.slow
async def test_requests_are_refused_until_late_services_are_there(
    start_app: StartApp, database_url: str, let_services_pass: Callable[[], None]
) -> None:
    async with start_app("late_services:app", database_url=database_url, **QUICK) as app:
        await app.event("startup.completed")
        assert (await get(app, "/health/ready")).json()["phases"]["services"] == "degraded"
        refused = await get(app, "/messages")
        assert (refused.status_code, list(refused.json())) == (503, ["error"])
        address = (await app.url()).replace("http://", "ws://")
        async with connect(f"{address}/ws/chat") as socket:
            with pytest.raises(ConnectionClosedError) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        let_services_pass()
        await app.event("remedy.phase_opened", "services")
        async with conversation(app) as say:
            assert (await say({"text": "now"}))["stored"] is True


@pytest.mark.slow
async def test_database_and_services_may_both_come_later(
    start_app: StartApp, database_url: str, let_services_pass: Callable[[], None]
) -> None:
    settings: dict[str, Any] = {"remedy_degraded_start": True, "degraded_reconnect_pause_s": 0.02}
    async with (
        Gate(make_url(database_url)) as gate,
        start_app("late_services:app", database_url=gate.url, **settings, **QUICK) as app,
    ):
        await app.event("startup.completed")
        await gate.open()
        let_services_pass()
        await app.event("remedy.phase_opened", "services")
        await app.event("database.reconnected")
        async with conversation(app) as say:
            assert (await say({"text": "both"}))["stored"] is True


@pytest.mark.parametrize(
    ("error", "later"),
    [
        (TimeoutError(), True),
        (ConnectionRefusedError(), True),
        (redis.exceptions.ConnectionError(), True),
        (redis.exceptions.TimeoutError(), True),
        (redis.exceptions.BusyLoadingError(), True),
        (redis.exceptions.AuthenticationError(), False),
        (redis.exceptions.AuthorizationError(), False),
        (redis.exceptions.ResponseError(), False),
        (NotConfiguredError(), False),
        (NameError(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_only_a_phase_that_waiting_can_help_may_come_later(error: Exception, later: bool) -> None:
    assert may_come_later(error) is later


@pytest.fixture
def let_services_pass(tmp_path: Path) -> Callable[[], None]:
    """Write an app whose phase services times out until this is called."""
    there = tmp_path / "there"
    (tmp_path / "late_services.py").write_text(
        "from pathlib import Path\n"
        "from app_under_test import phases\n"
        "from app_under_test.main import create_app\n"
        "async def services(context):\n"
        f"    if not Path({str(there)!r}).exists():\n"
        "        raise TimeoutError\n"
        "    await phases.services(context)\n"
        "app = create_app(phases=phases.variant(services=services), module='late_services')\n"
    )
    return there.touch

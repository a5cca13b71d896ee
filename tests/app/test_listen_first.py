"""The setting `listen_first`: the port is open before the phases are complete."""

from __future__ import annotations

import asyncio
from signal import SIGTERM
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.app.conftest import DEADLINE_S

if TYPE_CHECKING:
    from tests.app.conftest import StartApp

LIMIT_S = 0.5
EARLY = 0.99  # uvloop's timers count whole milliseconds
LONGER_THAN_THE_TEST_S = 10 * DEADLINE_S


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_a_phase_that_fails_cuts_off_who_waits_and_ends_the_process_with_1(
    loop: str, start_app: StartApp, silent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UVICORN_LOOP", loop)
    async with start_app(
        database_url=silent_url, phase_database_limit_s=LIMIT_S, listen_first=True
    ) as app:
        async with httpx.AsyncClient(base_url=await app.url(), timeout=DEADLINE_S) as client:
            ready, asked = await asyncio.gather(
                client.get("/health/ready"), client.get("/messages"), return_exceptions=True
            )
        assert isinstance(ready, httpx.Response)
        assert (ready.status_code, ready.json()) == (503, {"status": "starting"})
        assert isinstance(asked, httpx.TransportError)
        assert await app.exit_code() == 1
        failed = await app.event("phase.failed", "database")
        assert failed["duration_s"] >= EARLY * LIMIT_S
        assert app.events[-1]["event"] == "startup.failed"
        assert "DeterministicStartupError" in "".join(app.output)
        assert "hidden" not in "".join(app.output)


async def test_a_request_that_comes_early_is_answered_when_start_up_is_complete(
    start_app: StartApp, database_url: str
) -> None:
    async with start_app(
        database_url=database_url, dependencies_replay_s=0.2, listen_first=True
    ) as app:
        url = await app.url()
        assert not app.all_of("startup.completed")
        async with httpx.AsyncClient(base_url=url, timeout=DEADLINE_S) as client:
            asked = await client.get("/messages")
            ready = await client.get("/health/ready")
        assert asked.status_code == 200
        assert app.all_of("startup.completed")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")  # it has no cache


async def test_sigterm_before_start_up_is_complete_cancels_it(
    start_app: StartApp, silent_url: str
) -> None:
    async with start_app(
        database_url=silent_url, phase_database_limit_s=LONGER_THAN_THE_TEST_S, listen_first=True
    ) as app:
        await app.event("phase.started", "database")
        await app.url()
        assert await app.stop() == -SIGTERM
        assert [line["event"] for line in app.events[-3:]] == [
            "shutdown.started",
            "startup.cancelled",
            "shutdown.completed",
        ]

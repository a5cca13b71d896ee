"""The circuit breaker in the app: a silent database at run time, with and without it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from chats import chatting
from gate import Gate
from sqlalchemy import make_url

if TYPE_CHECKING:
    from tests.app.conftest import StartApp

DEADLINE_S = 30.0
TIME_OUT_S = 0.3
THRESHOLD = 2


@pytest.mark.slow
@pytest.mark.parametrize("is_on", [True, False], ids=["with", "without"])
async def test_requests_fail_at_once_while_it_is_open_and_pass_when_the_database_is_back(
    start_app: StartApp, database_url: str, is_on: bool
) -> None:
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(
            database_url=gate.url,
            database_command_timeout_s=TIME_OUT_S,
            database_connect_timeout_s=TIME_OUT_S,
            database_close_timeout_s=0.1,
            remedy_circuit_breaker=is_on,
            circuit_threshold=THRESHOLD,
            circuit_open_s=5 * TIME_OUT_S,
        ) as app,
    ):
        await gate.open()
        async with chatting(await app.url()) as client:
            assert (await client.say())["stored"] is True
            gate.fall_silent()
            took_s = []
            for _ in range(2 * THRESHOLD):
                began_s = time.monotonic()
                assert "error" in await client.say()
                took_s.append(time.monotonic() - began_s)
            waited, later = took_s[:THRESHOLD], took_s[THRESHOLD:]
            assert min(waited) >= TIME_OUT_S
            assert max(later) < TIME_OUT_S / 3 if is_on else min(later) >= TIME_OUT_S
            gate.speak()
            async with asyncio.timeout(DEADLINE_S):
                while "error" in await client.say():
                    pass
        if is_on:
            assert (await app.event("remedy.circuit_opened"))["threshold"] == THRESHOLD
            await app.event("remedy.circuit_half_opened")
            assert (await app.event("remedy.circuit_closed"))["refused"] >= THRESHOLD
        else:
            assert not [line for line in app.events if line["event"].startswith("remedy.")]

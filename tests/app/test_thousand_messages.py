"""A degraded start loses no message and stores none twice, across an outage and when killed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chats import chatting
from gate import Gate
from sqlalchemy import make_url

from app_under_test.database import Database
from app_under_test.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.app.conftest import StartApp

MESSAGES = 1000
REMEDY: dict[str, Any] = {
    "remedy_degraded_start": True,
    "degraded_queue_size": MESSAGES,
    "degraded_reconnect_pause_s": 0.02,
}


@asynccontextmanager
async def session(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    url = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


async def stored_keys(database_url: str) -> list[str]:
    """The key of every message in Postgres, in the order in which they were stored."""
    async with session(database_url) as connection:
        rows = await connection.fetch("SELECT client_id::text FROM messages ORDER BY id")
    return [row[0] for row in rows]


@pytest.mark.slow
async def test_a_thousand_messages_across_an_outage_are_stored_once_and_in_order(
    start_app: StartApp, database_url: str
) -> None:
    keys = [str(uuid4()) for _ in range(MESSAGES)]
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(database_url=gate.url, **REMEDY) as app,
        chatting(await app.url()) as client,
    ):
        assert not any(await client.send(*keys[:400]))
        await gate.open()
        await client.send(*keys[400:700])
        back = await app.event("database.reconnected")
        assert 400 <= back["stored"] <= 700
        assert all(await client.send(*keys[700:]))
        await client.until_stored(MESSAGES)
        assert client.stored == keys

    assert await stored_keys(database_url) == keys


@pytest.mark.slow
async def test_when_the_app_is_killed_what_it_acknowledged_is_stored_and_the_rest_can_be_resent(
    start_app: StartApp, database_url: str
) -> None:
    keys = [str(uuid4()) for _ in range(MESSAGES)]
    half = MESSAGES // 2
    await create_tables(database_url)
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(database_url=gate.url, **REMEDY) as app,
        chatting(await app.url()) as client,
        session(database_url) as other,
    ):
        assert not any(await client.send(*keys))
        # The app has to wait when it comes to the message with this key.
        blocking = other.transaction()
        await blocking.start()
        await other.execute(
            "INSERT INTO messages (client_id, text) VALUES ($1, '')", UUID(keys[half])
        )
        await gate.open()
        await client.until_stored(half)
        app.process.kill()
        assert await app.exit_code() == -9
        await blocking.rollback()

    acknowledged = client.stored
    assert acknowledged == keys[:half]
    assert (await stored_keys(database_url))[:half] == acknowledged

    async with start_app(database_url=database_url) as app, chatting(await app.url()) as client:
        left = [key for key in keys if key not in acknowledged]
        assert all(await client.send(*left))

    assert await stored_keys(database_url) == keys


@pytest.mark.slow
async def test_a_message_that_is_sent_again_from_a_new_chat_is_acknowledged_there(
    start_app: StartApp, database_url: str
) -> None:
    key = str(uuid4())
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(database_url=gate.url, **REMEDY) as app,
    ):
        async with chatting(await app.url()) as left:
            assert await left.send(key) == [False]
        async with chatting(await app.url()) as client:
            assert await client.send(key) == [False]
            await gate.open()
            await client.until_stored(1)
    assert await stored_keys(database_url) == [key]


async def create_tables(database_url: str) -> None:
    database = Database(Settings.model_validate({"database_url": database_url}))
    await database.open()
    await database.close()

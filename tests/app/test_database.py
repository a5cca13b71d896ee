"""What the settings change in how the app uses its database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app_under_test.database import Database, _warm
from app_under_test.messages import Message
from app_under_test.settings import Settings
from app_under_test.store import MessageStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

NEWER = "text_of_a_newer_image"


@asynccontextmanager
async def opened(url: str, **settings: object) -> AsyncIterator[MessageStore]:
    """The store of an app with these settings."""
    database = Database(Settings.model_validate({"database_url": url, **settings}))
    await database.open()
    try:
        yield MessageStore(database)
    finally:
        await database.close()


async def test_a_message_is_kept_in_the_column_that_the_settings_name(database_url: str) -> None:
    message = Message(key=uuid4(), text="hello")
    async with opened(database_url, text_column=NEWER) as store:
        stored = await store.add(message)
        assert (stored.key, stored.text) == (message.key, "hello")
        assert await store.add(message) == stored
        assert await store.newest(limit=1) == [stored]
        assert await store.newest(limit=1, key=message.key) == [stored]


async def test_an_older_release_does_not_start_with_the_table_of_a_newer_one(
    database_url: str,
) -> None:
    async with opened(database_url, text_column=NEWER):
        pass
    with pytest.raises(ProgrammingError, match='column "text" does not exist'):
        async with opened(database_url):
            pass


async def test_the_role_of_the_settings_goes_before_that_of_the_url(database_url: str) -> None:
    url = make_url(database_url).set(username="nobody").render_as_string(hide_password=False)
    # Before 2.1, SQLAlchemy passes errors of connecting on as they are.
    refused = (asyncpg.InvalidPasswordError, DBAPIError)
    with pytest.raises(refused, match="password authentication failed"):
        async with opened(url):
            pass
    async with opened(url, database_user="app") as store:
        assert await store.newest(limit=1) == []


class Refusing:
    """An engine each connection of which is refused."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        raise ConnectionRefusedError
        yield


async def test_connections_that_are_refused_leave_the_next_time_limit_as_it_is() -> None:
    with pytest.raises(ConnectionRefusedError):
        await _warm(cast("AsyncEngine", Refusing()), 2)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "Python 3.11.2 would raise no TimeoutError in this task"

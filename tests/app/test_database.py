"""What the settings change in how the app uses its database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import make_url

from app_under_test.database import Database
from app_under_test.settings import Settings
from app_under_test.store import MessageStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def opened(url: str, **settings: object) -> AsyncIterator[MessageStore]:
    """The store of an app with these settings."""
    database = Database(Settings.model_validate({"database_url": url, **settings}))
    await database.open()
    try:
        yield MessageStore(database)
    finally:
        await database.close()


async def test_the_role_of_the_settings_goes_before_that_of_the_url(database_url: str) -> None:
    url = make_url(database_url).set(username="nobody").render_as_string(hide_password=False)
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with opened(url):
            pass
    async with opened(url, database_user="app") as store:
        assert await store.newest(limit=1) == []

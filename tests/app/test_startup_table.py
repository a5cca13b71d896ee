"""A table that each start reads, against a real Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from app_under_test.database import Database
from app_under_test.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLE = "policies"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    settings = {"database_url": database_url, "database_startup_table": TABLE}
    opened = Database(Settings.model_validate(settings))
    yield opened
    await opened.close()


async def execute(database_url: str, statement: str) -> None:
    target = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(target.render_as_string(hide_password=False))
    await connection.execute(statement)
    await connection.close()


async def test_a_start_makes_a_table_that_is_missing(database: Database) -> None:
    await database.open()
    async with database.begin() as connection:
        found = await connection.scalar(text(f"SELECT count(*) FROM {TABLE}"))  # noqa: S608  a name
    assert found == 0


async def test_a_start_reads_the_table(database: Database, database_url: str) -> None:
    await execute(database_url, f"CREATE TABLE {TABLE} (nothing text)")
    with pytest.raises(ProgrammingError, match=r'column "key" does not exist'):
        await database.open()


@pytest.mark.parametrize("name", ["Policies", "a b", 'a"; DROP TABLE b', "1a", "a" * 64])
def test_a_name_that_would_need_quotes_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "postgresql+asyncpg://app:x@127.0.0.1/app")
    monkeypatch.setenv("APP_DATABASE_STARTUP_TABLE", name)
    with pytest.raises(SettingsError, match="APP_DATABASE_STARTUP_TABLE"):
        load()

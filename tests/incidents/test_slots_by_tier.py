"""At which instance Postgres itself says 53300, for each database tier, beside the arithmetic.

An instance is the sample app's own pool of the audit: 20 connections that a start opens, and 30
more that concurrent requests open.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app_under_test.database import DRIVER_ERRORS, Database
from app_under_test.settings import Settings
from crashloop.engines.binaries import find_binaries
from crashloop.engines.postgres_run import postgres
from crashloop.engines.template import template
from crashloop.engines.workspace import workspace
from crashloop.profiles import TIER_NAMES, load_tier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.engines.postgres import PostgresServer
    from crashloop.profiles import Tier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLOUD_SQL = [name for name in TIER_NAMES if name != "postgres"]  # which is as db-custom-1-3840
POOL, OVERFLOW = 20, 30
NO_SLOT = "53300"


@asynccontextmanager
async def running(tier: Tier, evidence: Path) -> AsyncIterator[tuple[PostgresServer, list[str]]]:
    """A server of the tier, and the SQLSTATEs of its log."""
    said: list[str] = []

    def emit(kind: str, data: dict[str, Any], /) -> None:
        if kind == "database.error":
            said.append(data["sqlstate"])

    with workspace() as space:
        made = await template(space, await asyncio.to_thread(find_binaries))
        async with postgres(
            space, made, emit=emit, evidence=evidence, settings=tier.settings
        ) as server:
            yield server, said


@asynccontextmanager
async def instance(server: PostgresServer) -> AsyncIterator[Database]:
    """The database of one instance, opened as its start opens it."""
    settings = {
        "database_url": server.app_url(scheme="postgresql+asyncpg"),
        "pool_size": POOL,
        "max_overflow": OVERFLOW,
        "database_warm_connections": POOL,
    }
    database = Database(Settings.model_validate(settings))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def requests(database: Database, stack: AsyncExitStack) -> None:
    """As many requests at once as the pool and its overflow have connections."""
    for opened in await asyncio.gather(
        *(stack.enter_async_context(database.begin()) for _ in range(POOL + OVERFLOW)),
        return_exceptions=True,
    ):
        if isinstance(opened, BaseException):
            raise opened


async def first_refused(server: PostgresServer, *, loaded: bool) -> tuple[int, str]:
    """The number of the first instance that is refused, and the SQLSTATE."""
    async with AsyncExitStack() as stack:
        for number in range(1, 1001):
            try:
                database = await stack.enter_async_context(instance(server))
                if loaded:
                    await requests(database, stack)
            except DRIVER_ERRORS as error:
                return number, sqlstate_of(error)
    raise AssertionError("nobody was refused")


def sqlstate_of(error: BaseException) -> str:
    """The server's own code, which SQLAlchemy passes on as it is or as a cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError):
        cause = cause.__cause__
    return "" if cause is None else str(cause.sqlstate)


@pytest.mark.parametrize("loaded", [False, True], ids=["started", "under-load"])
@pytest.mark.parametrize("name", CLOUD_SQL)
async def test_the_first_refused_instance_is_the_one_after_those_that_fit(
    name: str, loaded: bool, tmp_path: Path
) -> None:
    tier = load_tier(name)
    async with running(tier, tmp_path) as (server, said):
        number, sqlstate = await first_refused(server, loaded=loaded)

    assert sqlstate == NO_SLOT
    assert number == tier.instances(POOL + OVERFLOW if loaded else POOL) + 1
    assert set(said) == {NO_SLOT}

"""Pool sizing: a real Postgres' own figures decide how many connections a replica has."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from app_under_test.remedies.pool_sizing import _SLOTS

if TYPE_CHECKING:
    from databases import DatabaseServer

    from tests.app.conftest import StartApp


async def ask(dsn: str, query: str, *arguments: object) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def sessions_of(name: str, database_url: str) -> Any:
    url = make_url(database_url).set(drivername="postgresql")
    return await ask(
        url.render_as_string(hide_password=False),
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1",
        name,
    )


async def test_a_replica_takes_its_share_of_what_reserved_and_other_sessions_leave(
    start_app: StartApp, database_server: DatabaseServer, database_url: str
) -> None:
    name, superuser = f"sized-{uuid4().hex[:12]}", database_server._server.control_dsn
    most = int(await ask(superuser, "SHOW max_connections"))
    reserved = int(await ask(superuser, "SHOW superuser_reserved_connections"))
    async with AsyncExitStack() as stack:
        for connection in await asyncio.gather(*(asyncpg.connect(superuser) for _ in range(7))):
            stack.push_async_callback(connection.close)
        async with start_app(
            database_url=database_url,
            remedy_pool_sizing=True,
            replicas=20,
            pool_size=10,
            max_overflow=10,
            database_warm_connections=6,
            application_name=name,
        ) as app:
            sized = await app.event("remedy.pool_sized")
            assert (sized["max_connections"], sized["reserved"]) == (most, reserved)
            assert sized["others"] >= 7
            share = (most - reserved - sized["others"]) // 20
            assert sized["share"] == share == 4
            assert (sized["pool"], sized["overflow"], sized["warm"]) == (4, 0, 4)
            await app.event("startup.completed")
            assert await sessions_of(name, database_url) == share


async def test_a_role_whose_name_needs_quotes_tells_its_sessions_from_those_of_others(
    database_server: DatabaseServer, database_url: str
) -> None:
    superuser = database_server._server.control_dsn
    role = f"app-{uuid4().hex[:12]}@project.iam"  # as Cloud SQL names a service account
    url = make_url(database_url).set(drivername="postgresql", username=role, password="x")  # noqa: S106  no secret
    own = url.render_as_string(hide_password=False)
    await ask(superuser, f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
    try:
        async with AsyncExitStack() as stack:
            opened = [await asyncpg.connect(dsn) for dsn in (superuser, *[own] * 20)]
            for connection in opened:
                stack.push_async_callback(connection.close)
            others = (await opened[-1].fetchrow(_SLOTS))[2]
            assert 1 <= others < 20
    finally:
        await ask(superuser, f'DROP ROLE "{role}"')


@pytest.mark.slow
async def test_a_share_above_what_the_settings_ask_for_changes_nothing(
    start_app: StartApp, database_url: str
) -> None:
    name = f"sized-{uuid4().hex[:12]}"
    async with start_app(
        database_url=database_url,
        remedy_pool_sizing=True,
        database_warm_connections=5,
        application_name=name,
    ) as app:
        sized = await app.event("remedy.pool_sized")
        assert (sized["pool"], sized["overflow"], sized["warm"]) == (20, 30, 5)
        await app.event("startup.completed")
        assert await sessions_of(name, database_url) == 5


@pytest.mark.slow
async def test_a_retry_sizes_the_pool_again_and_leaves_no_connection_of_the_failed_try(
    start_app: StartApp, database_url: str
) -> None:
    name = f"sized-{uuid4().hex[:12]}"
    url = make_url(database_url).set(drivername="postgresql")
    holder = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await holder.execute("SELECT pg_advisory_lock(1278)")  # the one of creating the tables
        async with start_app(
            database_url=database_url,
            remedy_pool_sizing=True,
            remedy_retry_s=20,
            retry_first_pause_s=0.01,
            database_command_timeout_s=0.2,
            application_name=name,
        ) as app:
            await app.event("database.retry_failed")
            await holder.execute("SELECT pg_advisory_unlock(1278)")
            await app.event("startup.completed")
            assert len(app.all_of("remedy.pool_sized")) > 1
            assert await sessions_of(name, database_url) == 1
    finally:
        await holder.close()

"""The app against a real Postgres: a chat message is sent, answered and found stored."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from gate import Gate
from sqlalchemy import make_url
from websockets.asyncio.client import connect

from app_under_test.phases import DEFAULT_PHASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.app.conftest import RunningApp, StartApp

NAMES = [phase.name for phase in DEFAULT_PHASES]
WITHOUT_CACHE = [name for name in NAMES if name != "cache"]


@asynccontextmanager
async def conversation(app: RunningApp) -> AsyncIterator[Any]:
    address = (await app.url()).replace("http://", "ws://")
    async with connect(f"{address}/ws/chat") as opened:

        async def say(message: object) -> Any:
            await opened.send(message if isinstance(message, bytes) else json.dumps(message))
            return json.loads(await opened.recv())

        yield say


async def get(app: RunningApp, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=await app.url()) as client:
        return await client.get(path)


async def connections_of(name: str, database_url: str) -> int:
    target = make_url(database_url).set(drivername="postgresql")
    watcher = await asyncpg.connect(target.render_as_string(hide_password=False))
    try:
        count: int = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name
        )
    finally:
        await watcher.close()
    return count


async def test_a_message_that_is_sent_twice_is_answered_and_stored_once(
    start_app: StartApp, database_url: str
) -> None:
    key = str(uuid4())
    async with start_app(database_url=database_url) as app:
        async with conversation(app) as say:
            answer = await say({"text": "hello", "key": key})
            assert await say({"text": "changed", "key": key}) == answer
        assert (answer["stored"], answer["key"], answer["text"]) == (True, key, "hello")
        found = (await get(app, f"/messages?key={key}")).json()["messages"]
        assert [(row["id"], row["text"]) for row in found] == [(answer["id"], "hello")]
        newest = (await get(app, "/messages?limit=1")).json()["messages"]
        assert newest == found
        assert await app.stop() in {0, -15}
        assert app.all_of("shutdown.completed")


async def test_every_phase_completes_in_order_and_the_connections_are_open(
    start_app: StartApp, database_url: str
) -> None:
    name = f"warm-{uuid4().hex[:12]}"
    async with start_app(
        database_url=database_url, database_warm_connections=20, application_name=name
    ) as app:
        await app.event("startup.completed")
        assert await connections_of(name, database_url) == 20
        assert (await app.event("phase.completed", "database"))["address"].startswith("tcp:")
        assert [line["phase"] for line in app.all_of("phase.started")] == NAMES
        assert [line["phase"] for line in app.all_of("phase.completed")] == WITHOUT_CACHE
        ready = (await get(app, "/health/ready")).json()
        assert ready["status"] == "degraded"
        assert [name for name, state in ready["phases"].items() if state != "complete"] == ["cache"]
        assert ready["boot_id"] == app.events[0]["boot_id"]
        alive = (await get(app, "/health/live")).json()
        assert alive == {"status": "alive", "boot_id": ready["boot_id"]}


async def test_bad_input_is_refused_and_the_chat_stays_open(
    start_app: StartApp, database_url: str
) -> None:
    async with start_app(database_url=database_url) as app, conversation(app) as say:
        frames: tuple[object, ...] = ({"text": ""}, [], b"\x00\xff", {"text": "x" * 5000})
        for bad in frames:
            assert list(await say(bad)) == ["error"]
        for query in ("limit=0", "limit=101", "limit=many", "key=none"):
            assert (await get(app, f"/messages?{query}")).status_code == 422
        assert (await say({"text": "still here"}))["stored"] is True


@pytest.mark.slow
async def test_two_starts_at_once_both_find_the_tables(
    start_app: StartApp, database_url: str
) -> None:
    async with (
        start_app(database_url=database_url) as one,
        start_app(database_url=database_url) as other,
    ):
        await asyncio.gather(one.event("startup.completed"), other.event("startup.completed"))


async def test_a_missing_database_exits_3_despite_the_remedy(
    start_app: StartApp, database_url: str
) -> None:
    url = make_url(database_url).set(database="nowhere").render_as_string(hide_password=False)
    async with start_app(database_url=url, remedy_degraded_start=True) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert failed["error"][-1]["sqlstate"] == "3D000"
        assert not app.all_of("phase.degraded", "database")


@pytest.mark.slow
async def test_a_degraded_start_stops_trying_when_waiting_cannot_help(
    start_app: StartApp, database_url: str
) -> None:
    async with (
        Gate(make_url(database_url).set(database="nowhere")) as gate,
        start_app(
            database_url=gate.url, remedy_degraded_start=True, degraded_reconnect_pause_s=0.02
        ) as app,
    ):
        await app.event("database.retry_failed")
        await gate.open()
        failed = await app.event("phase.failed", "database")
        assert failed["error"][-1]["sqlstate"] == "3D000"
        ready = await get(app, "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "failed")
        async with conversation(app) as say:
            refused = await say({"text": "nothing would ever store this"})
        assert sorted(refused) == ["error", "key"]


async def test_a_degraded_start_recovers_and_stores_what_waited(
    start_app: StartApp, database_url: str
) -> None:
    keys = [str(uuid4()) for _ in range(3)]
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(
            database_url=gate.url, remedy_degraded_start=True, degraded_reconnect_pause_s=0.02
        ) as app,
    ):
        async with conversation(app) as say:
            for key in keys:
                assert (await say({"text": "early", "key": key}))["stored"] is False
        await app.event("database.retry_failed")
        await gate.open()
        back = await app.event("database.reconnected")
        assert back["stored"] == 3
        await app.event("chat.stored", count=3)
        assert [line["key"] for line in app.all_of("chat.stored")] == keys
        ready = (await get(app, "/health/ready")).json()
        assert ready["phases"]["database"] == "complete"
        rows = [(await get(app, f"/messages?key={key}")).json()["messages"] for key in keys]
        ids = [row[0]["id"] for row in rows]
        assert ids == sorted(ids)
        async with conversation(app) as say:
            assert (await say({"text": "late"}))["stored"] is True


async def test_a_retry_starts_the_app_when_the_database_comes_back(
    start_app: StartApp, database_url: str
) -> None:
    async with (
        Gate(make_url(database_url)) as gate,
        start_app(
            database_url=gate.url,
            remedy_retry_s=20,
            retry_first_pause_s=0.01,
            retry_longest_pause_s=0.05,
        ) as app,
    ):
        await app.event("database.retry_failed", count=2)
        await gate.open()
        back = await app.event("database.retried", "database")
        assert back["tries"] == len(app.all_of("database.retry_failed")) + 1
        await app.event("startup.completed")
        assert app.all_of("phase.completed", "database")


@pytest.mark.slow
async def test_an_error_that_waiting_cannot_fix_is_not_retried(
    start_app: StartApp, database_url: str
) -> None:
    url = make_url(database_url).set(password="wrong").render_as_string(hide_password=False)  # noqa: S106  wrong on purpose
    async with start_app(database_url=url, remedy_retry_s=20) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert failed["error"][-1]["sqlstate"] == "28P01"
        assert not app.all_of("database.retry_failed")


async def test_the_pool_and_its_overflow_may_be_opened_at_once(
    start_app: StartApp, database_url: str
) -> None:
    async with start_app(
        database_url=database_url, pool_size=2, max_overflow=3, database_warm_connections=5
    ) as app:
        await app.event("startup.completed")


@pytest.mark.slow
async def test_a_migration_lock_is_waited_for_and_given_back(
    start_app: StartApp, database_url: str
) -> None:
    target = make_url(database_url).set(drivername="postgresql")
    holder = await asyncpg.connect(target.render_as_string(hide_password=False))
    try:
        await holder.execute("SELECT pg_advisory_lock(4711)")
        async with start_app(
            database_url=database_url, database_migration_lock=4711, phase_database_limit_s=0.3
        ) as stuck:
            assert await stuck.exit_code() == 3
            failed = await stuck.event("phase.failed", "database")
            assert failed["error"][0]["type"] == "TimeoutError"
        async with start_app(database_url=database_url, database_migration_lock=4712) as other:
            await other.event("startup.completed")
        await holder.execute("SELECT pg_advisory_unlock(4711)")
        async with start_app(database_url=database_url, database_migration_lock=4711) as app:
            await app.event("startup.completed")
            assert await holder.fetchval("SELECT pg_try_advisory_lock(4711)") is True
    finally:
        await holder.close()


@pytest.mark.slow
async def test_an_app_that_looks_first_takes_the_migration_lock_only_to_make_its_tables(
    start_app: StartApp, database_url: str
) -> None:
    asking: dict[str, Any] = {
        "database_url": database_url,
        "database_migration_lock": 4711,
        "database_look_first": True,
    }
    target = make_url(database_url).set(drivername="postgresql")
    holder = await asyncpg.connect(target.render_as_string(hide_password=False))
    try:
        await holder.execute("SELECT pg_advisory_lock(4711)")
        async with start_app(**asking, phase_database_limit_s=0.3) as stuck:
            assert await stuck.exit_code() == 3
        await holder.execute("SELECT pg_advisory_unlock(4711)")
        async with start_app(**asking) as first:
            await first.event("startup.completed")
        await holder.execute("SELECT pg_advisory_lock(4711)")
        async with start_app(**asking) as second:
            await second.event("startup.completed")
    finally:
        await holder.close()

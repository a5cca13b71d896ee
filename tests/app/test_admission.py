"""Admission: leases in a real cache decide how many replicas start at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from cache_kinds import KINDS
from redis.asyncio import Redis

from app_under_test.lease import Lease
from app_under_test.remedies.admission import KEY
from crashloop.engines.cache import cache
from crashloop.engines.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.app.conftest import StartApp

POLL_S = 0.005
LONG_S = 60.0
"""Longer than any of these tests."""
LEASE_S = 6.0
"""So long that a busy machine renews it in time: every 2 s."""


@pytest.fixture(params=KINDS)
async def cache_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    with workspace() as space:
        async with cache(space, emit=ignore, evidence=tmp_path, kind=request.param) as server:
            yield server.url


@pytest.fixture
async def client(cache_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(cache_url) as opened:
        yield opened


def ignore(_: str, __: dict[str, Any]) -> None:
    pass


async def test_a_lease_is_one_processs_until_it_gives_it_up(client: Redis) -> None:
    one, other = (Lease(client, token=token, lasts_s=LONG_S) for token in ("one", "other"))
    assert await one.take(["a"])
    assert not await other.take(["a"])
    assert await other.take(["a", "b"])
    assert await one.renew()
    assert await one.give_up()
    assert not await one.renew()
    assert not await one.give_up()
    assert await one.take(["b", "a"])
    assert (one.key, other.key) == ("a", "b")


async def test_a_lease_that_expired_is_free_and_its_former_holder_cannot_touch_it(
    client: Redis,
) -> None:
    dead, other = (Lease(client, token=token, lasts_s=LONG_S) for token in ("dead", "other"))
    assert await dead.take(["a"])
    await client.pexpire("a", 1)
    while not await other.take(["a"]):  # noqa: ASYNC110  the end of a lease announces nothing
        await asyncio.sleep(POLL_S)
    assert not await dead.renew()
    assert not await dead.give_up()
    assert await client.get("a") == b"other"
    assert await client.pttl("a") > LONG_S * 1000 / 2


class SwallowingRedis:
    """Finds every key taken, and returns that even if it is cancelled meanwhile."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def set(self, *_: object, **__: object) -> None:
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(POLL_S)

    async def transaction(self, *_: object) -> list[bool]:
        await self.set()
        return [True]


async def repeat(ask: Callable[[], Awaitable[object]]) -> None:
    while True:
        await ask()


@pytest.mark.parametrize("name", ["take", "renew"])
async def test_repeating_a_call_ends_although_the_client_swallows_a_cancellation(name: str) -> None:
    client = SwallowingRedis()
    lease = Lease(cast("Redis", client), token="one", lasts_s=LONG_S)  # noqa: S106  no secret
    asks = {"take": lambda: lease.take(["a"]), "renew": lease.renew}
    repeating = asyncio.create_task(repeat(asks[name]))
    await client.asked.wait()
    repeating.cancel()
    done, _ = await asyncio.wait([repeating], timeout=LONG_S)
    assert done
    assert repeating.cancelled()


@pytest.mark.slow
async def test_a_replica_waits_until_another_has_started_or_has_died_of_its_start(
    start_app: StartApp, database_url: str, silent_url: str, cache_url: str
) -> None:
    settings: dict[str, Any] = {
        "cache_url": cache_url,
        "remedy_admission": 1,
        "admission_lease_s": LEASE_S,
        "admission_wait_s": LONG_S,
        "admission_pause_s": 0.01,
    }
    async with AsyncExitStack() as stack:
        stuck = await stack.enter_async_context(start_app(database_url=silent_url, **settings))
        await stuck.event("phase.started", "database")
        waiting = await stack.enter_async_context(start_app(database_url=database_url, **settings))
        await waiting.event("phase.completed", "dependencies")
        async with Redis.from_url(cache_url) as client:
            before_ms = await client.pttl(f"{KEY}:0")
            while await client.pttl(f"{KEY}:0") <= before_ms:  # noqa: ASYNC110  nor does a renewal
                await asyncio.sleep(POLL_S)
            assert not waiting.all_of("phase.started", "database")
            stuck.process.kill()
            await stuck.exit_code()
            assert await client.pexpire(f"{KEY}:0", 1)  # as if the rest of its time had passed
        admitted = await waiting.event("remedy.admitted")
        assert admitted["waited_s"] > 0.0
        await waiting.event("startup.completed")
        await waiting.event("remedy.lease_released")
        third = await stack.enter_async_context(start_app(database_url=database_url, **settings))
        await third.event("startup.completed")
        assert not third.all_of("remedy.not_admitted")
        assert not waiting.all_of("remedy.lease_lost")


async def test_a_replica_that_gets_no_lease_in_time_starts_and_says_so(
    start_app: StartApp, database_url: str, cache_url: str
) -> None:
    async with Redis.from_url(cache_url) as client:
        assert await Lease(client, token="other", lasts_s=LONG_S).take([f"{KEY}:0"])  # noqa: S106  no secret
        async with start_app(
            database_url=database_url,
            cache_url=cache_url,
            remedy_admission=1,
            admission_wait_s=0.1,
            admission_pause_s=0.01,
        ) as app:
            skipped = await app.event("remedy.not_admitted")
            assert skipped["waited_s"] >= 0.09  # uvloop rounds timers to milliseconds
            assert skipped["error"][0]["type"] == "TimeoutError"
            await app.event("startup.completed")
        assert await client.get(f"{KEY}:0") == b"other"


@pytest.mark.parametrize("cache_is", ["refusing", "silent", "not there"])
async def test_a_replica_that_cannot_ask_the_cache_starts_and_says_so(
    start_app: StartApp, database_url: str, refusing_url: str, silent_url: str, cache_is: str
) -> None:
    addresses = {"refusing": refusing_url, "silent": silent_url}
    settings: dict[str, Any] = {}
    if cache_is in addresses:
        port = addresses[cache_is].rpartition(":")[2].partition("/")[0]
        settings["cache_url"] = f"redis://127.0.0.1:{port}/0"
    async with start_app(
        database_url=database_url,
        remedy_admission=2,
        admission_wait_s=0.2,
        cache_socket_timeout_s=LONG_S,
        phase_cache_limit_s=0.1,
        **settings,
    ) as app:
        skipped = await app.event("remedy.not_admitted")
        assert skipped["severity"] == "WARNING"
        await app.event("startup.completed")
        assert not app.all_of("remedy.admitted")


async def test_a_start_that_fails_gives_its_lease_up(
    start_app: StartApp, refusing_url: str, cache_url: str
) -> None:
    async with start_app(database_url=refusing_url, cache_url=cache_url, remedy_admission=1) as app:
        assert await app.exit_code() == 3
        await app.event("remedy.lease_released")
    async with Redis.from_url(cache_url) as client:
        assert await client.get(f"{KEY}:0") is None

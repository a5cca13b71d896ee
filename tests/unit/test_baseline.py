"""The harness's own use of a path, before any fault."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from crashloop.engines import baseline
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"


class Redis:
    """A server that sends `answer` to each command; `left` is set when a client has closed."""

    def __init__(self) -> None:
        self.answer = b""
        self.left = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            writer.write(self.answer)
        self.left.set()
        writer.close()


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    it = Redis()
    async with await asyncio.start_server(it.serve, HOST, 0) as server:
        it.port = server.sockets[0].getsockname()[1]
        yield it


async def test_a_wrong_answer_to_ping_is_cited_with_the_log_to_read(redis: Redis) -> None:
    redis.answer = b"-LOADING\r\n"

    with pytest.raises(HarnessError, match="answered PING with b'-LOADING") as raised:
        await baseline.ping(HOST, redis.port, log="redis.log")

    assert raised.value.hint == "see redis.log in the artifacts"


@pytest.mark.parametrize("answer", [b"", b"+PONG\r\n"])
async def test_the_connection_of_a_ping_is_closed_whatever_the_server_says(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(baseline, "LIMIT_S", 0.1)
    redis.answer = answer

    if answer:
        await baseline.ping(HOST, redis.port, log="cache.log")
    else:
        with pytest.raises(HarnessError, match="TimeoutError"):
            await baseline.ping(HOST, redis.port, log="cache.log")

    async with asyncio.timeout(5.0):
        await redis.left.wait()


async def test_a_wrong_answer_to_a_query_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Postgres:
        async def fetchval(self, *_: object, **__: object) -> int:
            return 2

        async def close(self, **_: object) -> None:
            pass

    async def connect(*_: object, **__: object) -> asyncpg.Connection[Any]:
        return cast("asyncpg.Connection[Any]", Postgres())

    monkeypatch.setattr(asyncpg, "connect", connect)

    with pytest.raises(HarnessError, match="answered 'select 1' with 2"):
        async with baseline.selected("postgresql://app@h/app"):
            pass

"""The app's cache: one Redis client, proven by a ping when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

if TYPE_CHECKING:
    from app_under_test.settings import Settings


class Cache:
    """A Redis client. `open` before use; `close` at the end."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    @classmethod
    async def open(cls, url: str, settings: Settings) -> Cache:
        """Connect and ping. Raises the client's error, and leaves no connection open."""
        client = client_of(url, settings)
        try:
            await client.ping()
        except BaseException:
            await client.aclose()
            raise
        return cls(client)

    async def push(self, key: str, value: str, *, keep: int) -> None:
        """Put a value first in a list, of which the first `keep` stay."""
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.lpush(key, value)
            pipeline.ltrim(key, 0, keep - 1)
            await pipeline.execute()

    async def newest(self, key: str, *, count: int) -> list[bytes]:
        """Return the first values of a list, the newest first; none if there is no such list."""
        values = await self._client.lrange(key, 0, count - 1)
        return [value if isinstance(value, bytes) else value.encode() for value in values]

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def client_of(url: str, settings: Settings) -> Redis:
    """Make a client, which connects at its first command.

    Its own retries are off: their back-off would be a timer outside the settings.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=settings.cache_connect_timeout_s,
        socket_timeout=settings.cache_socket_timeout_s,
        retry=Retry(NoBackoff(), 0),
        client_name=settings.application_name,
    )

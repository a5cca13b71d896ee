"""A lease in the cache: one of several keys, which one process holds while it renews it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline


class Lease:
    """One of `keys`, held under `token` until it is given up or `lasts_s` after its last renewal.

    Every method raises the client's error if the cache cannot be asked.
    """

    def __init__(self, client: Redis, *, token: str, lasts_s: float) -> None:
        self._client = client
        self._token = token
        self._lasts_ms = max(1, round(lasts_s * 1000))
        self.key = ""

    async def take(self, keys: Sequence[str]) -> bool:
        """Take the first key that nobody holds; False if there is none."""
        for key in keys:
            if await self._client.set(key, self._token, nx=True, px=self._lasts_ms):
                self.key = key
                return True
        _raise_if_cancelled()
        return False

    async def renew(self) -> bool:
        """Let the lease last from now on; False if it has ended."""
        renewed = await self._if_held(lambda pipe: pipe.pexpire(self.key, self._lasts_ms))
        _raise_if_cancelled()
        return renewed

    async def give_up(self) -> bool:
        """End the lease; False if it had ended already."""
        return await self._if_held(lambda pipe: pipe.delete(self.key))

    async def _if_held(self, command: Callable[[Pipeline], object]) -> bool:
        """Run the command unless the key is meanwhile someone else's, in one transaction."""

        async def change(pipe: Pipeline) -> None:
            held = await pipe.get(self.key) == self._token.encode()
            pipe.multi()  # type: ignore[no-untyped-call]  # redis has no type for it
            if held:
                command(pipe)

        done: list[Any] = await self._client.transaction(change, self.key)
        return any(done)


def _raise_if_cancelled() -> None:
    """Raise a cancellation that the client has swallowed, so that whoever repeats a call ends.

    The client waits by `asyncio.wait_for`, which in Python 3.11 returns the result of work that is
    done at the instant of its cancellation.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

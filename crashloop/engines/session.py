"""A session of the harness in a Postgres, which has ended when it is left."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from crashloop.driver import NO_ANSWER
from crashloop.engines.process import finish
from crashloop.engines.reaper import identity
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

GONE_BOUND_S = 2.0
LOOK_EVERY_S = 0.002


@contextlib.asynccontextmanager
async def session(
    connecting: Awaitable[asyncpg.Connection[Any]],
    has_ended: Callable[[int], Awaitable[bool]] | None = None,
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Enter a new connection; on leaving, its backend has ended.

    Only then its slot and its locks are free. `has_ended` says so of a backend's id where it is
    not one of this machine. Raises PostgresError if the server refuses it, HarnessError if it does
    not answer, or if the end takes longer than 2 s.
    """
    try:
        connection = await connecting
    except NO_ANSWER as error:
        raise HarnessError(
            f"Postgres did not let the harness in: {type(error).__name__}: {error}",
            hint="see postgres.log in the artifacts",
        ) from error
    pid = connection.get_server_pid()
    started = identity(pid)

    async def is_gone(pid: int) -> bool:
        return started is None or identity(pid) != started

    try:
        yield connection
    finally:
        await finish(_end(connection, pid, has_ended or is_gone))


async def _end(
    connection: asyncpg.Connection[Any], pid: int, has_ended: Callable[[int], Awaitable[bool]]
) -> None:
    with contextlib.suppress(*NO_ANSWER):
        await connection.close(timeout=GONE_BOUND_S)
    try:
        async with asyncio.timeout(GONE_BOUND_S):
            while not await has_ended(pid):  # noqa: ASYNC110  a backend is not our child: no event
                await asyncio.sleep(LOOK_EVERY_S)  # a backend is not our child: no event
    except TimeoutError:
        raise HarnessError(
            f"a session of the harness (pid {pid}) has not ended {GONE_BOUND_S:g} s after it "
            "was closed",
            hint="see postgres.log in the artifacts",
        ) from None

"""The harness's direct connection to Postgres, without a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.clock import NS_PER_S
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUERY_BOUND_S = 10.0

SESSIONS = (
    "select count(*) from pg_stat_activity where usename = $1 and backend_start <= to_timestamp($2)"
)


class Inspector:
    """Asks Postgres one question at a time, over a connection of its own.

    Raises HarnessError if Postgres does not answer.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._asking = asyncio.Lock()

    async def ask(self, query: str, *arguments: object) -> Any:
        """One value; None if the app has made no table yet."""
        try:
            async with self._asking:
                return await self._connection.fetchval(query, *arguments, timeout=QUERY_BOUND_S)
        except asyncpg.UndefinedTableError:
            return None
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise HarnessError(
                f"Postgres did not answer the harness: {type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error

    async def sessions(self, role: str, *, begun_by_ns: int | None = None) -> int:
        """How many sessions `role` has now; of those begun by an instant, if one is given.

        Sessions are counted by role, since an app need not set an application_name.
        """
        age_s = (time.monotonic_ns() - (begun_by_ns or time.monotonic_ns())) / NS_PER_S
        return int(await self.ask(SESSIONS, role, time.time() - age_s))


@contextlib.asynccontextmanager
async def inspector(connection: asyncpg.Connection[Any]) -> AsyncIterator[Inspector]:
    """An inspector over `connection`, which is closed on leaving."""
    try:
        yield Inspector(connection)
    finally:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.InterfaceError):
            await connection.close(timeout=QUERY_BOUND_S)

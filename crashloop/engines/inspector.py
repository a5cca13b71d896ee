"""The harness's direct connection to Postgres, without a proxy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.driver import NO_ANSWER, NO_RESULT
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

QUERY_BOUND_S = 10.0

SESSIONS = "select count(*) from pg_stat_activity where usename = $1"


class Inspector:
    """Asks Postgres one question at a time, over a connection of its own.

    It connects when it is first asked, and again after a restart. Raises HarnessError if Postgres
    does not answer.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection[Any]]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection[Any] | None = None
        self._asking = asyncio.Lock()
        self._is_away = False

    async def ask(self, query: str, *arguments: object) -> Any:
        """One value; None if there is no row, or the app has made no table yet.

        Waits while a planned fault stops Postgres.
        """
        async with self._asking:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                return await self._connection.fetchval(query, *arguments, timeout=QUERY_BOUND_S)
            except asyncpg.UndefinedTableError:
                return None
            except NO_RESULT as error:
                raise HarnessError(
                    f"Postgres did not answer the harness: {type(error).__name__}: {error}",
                    hint="see postgres.log in the artifacts",
                ) from error

    async def sessions(self, role: str) -> int:
        """How many sessions `role` has now.

        Sessions are counted by role, since an app need not set an application_name.
        """
        return int(await self.ask(SESSIONS, role))

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """While entered, questions wait: a planned fault stops Postgres.

        UsageError if another fault does that already.
        """
        if self._is_away:
            raise UsageError(
                "two faults would stop Postgres at once",
                hint="let one be healed before the other is injected",
            )
        self._is_away = True
        try:
            async with self._asking:
                yield
        finally:
            self._is_away = False

    async def close(self) -> None:
        """Close the connection, if there is one; a later question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*NO_ANSWER):
                await connection.close(timeout=QUERY_BOUND_S)

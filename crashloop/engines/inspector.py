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

    from crashloop.trace.recorder import Recorder

QUERY_BOUND_S = 10.0
GONE_BOUND_S = 2.0
LOOK_EVERY_S = 0.02

SESSIONS = (
    "select count(*) from pg_stat_activity where usename = $1 and backend_start <= to_timestamp($2)"
)
MESSAGE = "select id from messages where client_id = $1::text::uuid"


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

    async def count_left(self, role: str, attempt: int, recorder: Recorder) -> None:
        """Count what an ended attempt left; emits `database.backends`.

        Its sessions are those that `role` began before the attempt's end. They are counted when
        none is left, or after 2 s: Postgres needs a moment to notice a closed socket, and announces
        nothing.
        """
        ends = (e for e in recorder.events if (e.kind, e.attempt) == ("process.exited", attempt))
        died_ns = next(ends).mono_ns
        until_ns = time.monotonic_ns() + int(GONE_BOUND_S * NS_PER_S)
        while count := await self.sessions(role, begun_by_ns=died_ns):
            if time.monotonic_ns() > until_ns:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        recorder.emit("database", "database.backends", {"count": count}, attempt=attempt)

    async def message(self, key: str) -> dict[str, Any] | None:
        """The stored chat message with this key, or None."""
        identity = await self.ask(MESSAGE, key)
        return None if identity is None else {"key": key, "id": identity}


@contextlib.asynccontextmanager
async def inspector(connection: asyncpg.Connection[Any]) -> AsyncIterator[Inspector]:
    """An inspector over `connection`, which is closed on leaving."""
    try:
        yield Inspector(connection)
    finally:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.InterfaceError):
            await connection.close(timeout=QUERY_BOUND_S)

"""The harness's own connection through a path, which proves that the path works."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from crashloop.driver import NO_RESULT
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT_S = 10.0
SELECT = "select 1"
PING = "PING"
PONG = b"+PONG\r\n"


@contextlib.asynccontextmanager
async def selected(url: str) -> AsyncIterator[None]:
    """While entered, a connection is open on which Postgres has answered `select 1`.

    Raises HarnessError if it does not work.
    """
    try:
        # One with a name would stay in a pooler's session, where the app may use the same name.
        connection = await asyncpg.connect(url, timeout=LIMIT_S, statement_cache_size=0)
        try:
            value = await connection.fetchval(SELECT, timeout=LIMIT_S)
            if value != 1:
                raise ConnectionError(f"it answered {SELECT!r} with {value!r}")
            yield
        finally:
            await connection.close(timeout=LIMIT_S)
    except NO_RESULT as error:
        raise _broken("Postgres", error, log="postgres.log") from error


async def ping(host: str, port: int, *, log: str) -> None:
    """Let Redis answer PING; HarnessError if it does not, or answers something else.

    `log` is the file among the artifacts that has its output.
    """
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"*1\r\n$4\r\nPING\r\n")
                answer = await reader.readline()
            finally:
                writer.close()
            await writer.wait_closed()
        if answer != PONG:
            raise ConnectionError(f"it answered PING with {answer!r}")
    except (OSError, TimeoutError) as error:
        raise _broken("the cache", error, log=log) from error


def _broken(what: str, error: Exception, *, log: str) -> HarnessError:
    return HarnessError(
        f"the path to {what} did not work before any fault: {type(error).__name__}: {error}",
        hint=f"see {log} in the artifacts",
    )

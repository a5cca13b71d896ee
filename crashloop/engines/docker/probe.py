"""The program in the side-car that queries Postgres along the app's own path.

It reads questions from standard input and answers each in a line, until its input ends. It imports
only the standard library and asyncpg, to be ready when Postgres is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
CLOSE_BOUND_S = 10.0


async def query(
    *, dsn: str, timeout_s: float
) -> tuple[asyncpg.Connection[Any] | None, dict[str, Any]]:
    """Connect as the app will, and ask `select 1`; returns the open connection and the answer."""
    connection = None
    answer = {"boot_id": BOOT_ID}
    try:
        # One with a name would stay in a pooler's session, where the app may use the same name.
        connection = await asyncpg.connect(dsn, timeout=timeout_s, statement_cache_size=0)
        answer["value"] = await connection.fetchval("select 1", timeout=timeout_s)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    return connection, answer


async def main() -> None:
    """Answer until the input ends. A query's connection is closed at the line after it."""
    loop = asyncio.get_running_loop()

    async def read() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    def write(answer: dict[str, Any]) -> None:
        print(json.dumps({"answer": answer}), flush=True)  # noqa: T201  read by the harness

    while line := await read():
        connection, answer = await query(**json.loads(line))
        write(answer)
        await read()
        if connection is not None:
            await connection.close(timeout=CLOSE_BOUND_S)
        write({})


if __name__ == "__main__":
    asyncio.run(main())

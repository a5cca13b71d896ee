"""What runs inside the side-car for the harness: a query along the app's own path.

Reads questions from standard input and answers each in a line, until its input ends. Only the
standard library and asyncpg: it must be ready when Postgres is.
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

_open: list[asyncpg.Connection[Any]] = []


async def query(question: dict[str, Any]) -> dict[str, Any]:
    """Connect as the app will, ask `select 1`, and stay connected until `hang_up`."""
    timeout_s = float(question["timeout_s"])
    try:
        connection = await asyncpg.connect(timeout=timeout_s, **question["target"])
        _open.append(connection)
        value = await connection.fetchval("select 1", timeout=timeout_s)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"value": value}


async def hang_up(question: dict[str, Any]) -> dict[str, Any]:
    """Close what `query` opened."""
    del question
    while _open:
        await _open.pop().close(timeout=CLOSE_BOUND_S)
    return {}


async def machine(question: dict[str, Any]) -> dict[str, Any]:
    """Which machine it is, since it was started."""
    del question
    return {"boot_id": BOOT_ID}


async def main() -> None:
    """Answer until the input ends."""
    known = {"query": query, "hang_up": hang_up, "machine": machine}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        question = json.loads(line)
        answer = await known[question["do"]](question)
        print(json.dumps({"answer": answer}), flush=True)  # noqa: T201  its only voice


if __name__ == "__main__":
    asyncio.run(main())

"""Watching the sessions of a Postgres while a fault is on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from crashloop.driver import NO_RESULT
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

LOOK_EVERY_S = 0.05
BOUND_S = 10.0


@contextlib.asynccontextmanager
async def watching(
    own: Any, query: str, *arguments: object, emit: Callable[[Mapping[str, Any]], object]
) -> AsyncIterator[None]:
    """While entered, and once more on leaving, emit each row that `query` has.

    A row is emitted once for each `pid`, and for each statement where it has `since`.

    `own` is a session of the harness. Raises HarnessError on leaving if Postgres did not answer.
    """
    healing = asyncio.Event()
    task = asyncio.create_task(_watch(own, query, arguments, emit, healing))
    try:
        yield
    finally:
        healing.set()
        await asyncio.wait({task}, timeout=BOUND_S)
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await task


async def _watch(
    own: Any,
    query: str,
    arguments: tuple[object, ...],
    emit: Callable[[Mapping[str, Any]], object],
    healing: asyncio.Event,
) -> None:
    seen: set[tuple[int, str]] = set()
    is_last = False
    while not is_last:
        is_last = healing.is_set()
        try:
            rows = await own.fetch(query, *arguments, timeout=BOUND_S)
        except NO_RESULT as error:
            raise HarnessError(
                f"Postgres did not say what its sessions do: {type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error
        for row in rows:
            if (key := (row["pid"], str(row.get("since")))) not in seen:
                seen.add(key)
                emit(dict(row))
        with contextlib.suppress(TimeoutError):  # Postgres announces no change of a session
            async with asyncio.timeout(0 if is_last else LOOK_EVERY_S):
                await healing.wait()

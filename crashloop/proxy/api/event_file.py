"""Every event as a line of a file, written by a thread of its own."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from contextlib import aclosing, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

STDOUT = 1
TO_STDOUT = "-"


class EventFile:
    """The file at `path`, created or emptied, or standard output for "-".

    A slow disk or pipe never blocks the loop: one batch is written at a time, and the journal
    counts what it had to drop by then. The thread does not keep the process alive.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = STDOUT
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._run, name="events", daemon=True).start()

    async def open(self) -> None:
        """Make the file; a FIFO waits for its reader. UsageError for what cannot be made."""
        if self._path == TO_STDOUT:
            return
        try:
            await self._do(self._open)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(
                f"events cannot be written to {self._path}: {reason}",
                hint="name a file in a folder that is there, or - for standard output",
            ) from error

    async def write(self, lines: AsyncGenerator[bytes]) -> None:
        """Write until there are no more; HarnessError when a write fails."""
        try:
            async with aclosing(lines):
                async for batch in lines:
                    await self._do(lambda batch=batch: self._write(batch))  # type: ignore[misc]
        except OSError as error:
            raise HarnessError(
                f"events could not be written to {self._path}: {error.strerror or error}",
                hint="see whether the disk is full or a reader went away",
            ) from error

    async def _do(self, what: Callable[[], None]) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        self._work.put((what, done))
        await done

    def _run(self) -> None:
        while True:
            what, done = self._work.get()
            error: Exception | None = None
            try:
                what()
            except (OSError, ValueError) as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has ended before
                self._loop.call_soon_threadsafe(_settle, done, error)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a standard output that another process made so
                select.select([], [self._descriptor], [])


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)

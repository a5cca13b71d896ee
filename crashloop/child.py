"""A child process that a command has started: its lines, and its end on every path."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from crashloop.report.clean import clean

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

MAX_LINE = 1 << 16
# A child ends tidily in 4.5 s at most; what it leaves then, its own watcher removes.
END_BOUND_S = 6.0


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Each line, as it may be shown; one that is too long in pieces."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            line = error.partial
            if not line:
                return
        except asyncio.LimitOverrunError as error:
            line = await stream.readexactly(error.consumed)
        yield clean(line.decode(errors="replace"))


async def end(child: Process) -> None:
    """End the child if it still runs, even if this is cancelled meanwhile.

    SIGTERM, and SIGKILL after 6 s. The child must have been given a pipe as its standard input.
    """
    if child.returncode is None:
        ending = asyncio.ensure_future(_end(child))
        while not ending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({ending})
    assert child.stdin is not None
    child.stdin.close()


async def _end(child: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
        try:
            async with asyncio.timeout(END_BOUND_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

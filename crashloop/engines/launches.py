"""How the lives of a local run are started, and what holds their ports meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.app import HELD
from crashloop.engines.ports import HOST, kept_port
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crashloop.engines.app import AppProcess
    from crashloop.model import Launch

LOOK_EVERY_S = 0.002
BECOMES_APP_WITHIN_S = 5.0


class Launches:
    """The changes with which lives are started now.

    `told` is where each replica is told to listen, by the changes that say so.
    """

    def __init__(self) -> None:
        self._active: list[_Active] = []

    @contextlib.asynccontextmanager
    async def launched(self, change: Launch) -> AsyncIterator[None]:
        """While entered, `change` holds for each life that is started."""
        async with contextlib.AsyncExitStack() as stack:
            active = _Active(change, stack)
            self._active.append(active)
            try:
                yield
            finally:
                self._active.remove(active)

    @property
    def changes(self) -> list[Launch]:
        """The changes of now, the oldest first."""
        return [each.change for each in self._active]

    async def address(self, replica: int, port: int) -> tuple[str, int]:
        """Where a replica is told to listen that is asked at `port`.

        If a change says so, somebody else listens at its port until the change ends. HarnessError
        if that is not possible.
        """
        host = HOST
        told = port
        for active in self._active:
            host = active.change.host or host
            if active.change.other_port:
                told = active.other_port(replica)
            if active.change.port_taken:
                await active.take(port)
        return host, told


class _Active:
    """A change that holds now, and what it has opened."""

    def __init__(self, change: Launch, stack: contextlib.AsyncExitStack) -> None:
        self.change = change
        self._stack = stack
        self._others: dict[int, int] = {}
        self._taken: set[int] = set()

    def other_port(self, replica: int) -> int:
        """The replica's other port, the same for all its lives."""
        if replica not in self._others:
            self._others[replica] = self._stack.enter_context(kept_port(HOST))
        return self._others[replica]

    async def take(self, port: int) -> None:
        """Listen at a port, and close each connection that is made to it."""
        if port in self._taken:
            return
        try:
            server = await asyncio.start_server(_close, HOST, port, reuse_address=True)
        except OSError as error:
            raise HarnessError(
                f"nothing could listen at the app's port {port} in its place: {error.strerror}",
                hint="this run is invalid; run it again",
            ) from error
        self._taken.add(port)
        self._stack.push_async_callback(server.wait_closed)
        self._stack.callback(server.close)


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def became_app(process: AppProcess, prefix: Sequence[str]) -> bool:
    """Wait until a released life runs the app's command; False if it ended before.

    HarnessError if it does not within 5 s. Linux only.
    """
    # The words before the command may be several commands, each of which becomes the next.
    begins = [[*HELD], *(list(prefix[n:]) for n in range(max(1, len(prefix) - 1)))]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BECOMES_APP_WITHIN_S):
            while not process.exited.done():
                words = _command_of(process.pid)
                if words and not any(one and words[: len(one)] == one for one in begins):
                    return True
                await asyncio.sleep(LOOK_EVERY_S)  # exec has no event
            return False
    raise HarnessError(
        f"process {process.pid} has not become the app within {BECOMES_APP_WITHIN_S:g} s",
        hint="this run is invalid; run it again on a less busy machine",
    )


def _command_of(pid: int) -> list[str]:
    """The words of a process' command; empty once it has ended, and within exec itself."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return text.decode(errors="replace").rstrip("\0").split("\0") if text else []

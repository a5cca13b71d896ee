"""Redis as a container, and what a fault does to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.capability import REDIS
from crashloop.engines.docker.server_container import ServerContainer
from crashloop.engines.docker.threads import blocking
from crashloop.engines.process import finish
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.docker.project import Project
    from crashloop.trace.recorder import Recorder

BOUND_S = 10.0
ASK_EVERY_S = 0.02
DEBUG = ("--enable-debug-command", "yes")  # needs Redis 7
# Loading takes 25 ms for each key of a database of the harness's own, so 500 s at most. Between two
# keys Redis answers its clients: each has more bytes than it reads without looking at them.
PREPARE = (
    ("config", "set", "rdbcompression", "no"),
    ("config", "set", "loading-process-events-interval-bytes", "1024"),
    ("config", "set", "key-load-delay", "25000"),
    (
        "eval",
        "redis.call('select', 16) for i = 1, 20000 do redis.call('set', i, ARGV[1]) end",
        *("0", "x" * 1100),
    ),
)
LOAD_AT_ONCE = ("config", "set", "key-load-delay", "0")
CLEAR = ("eval", "redis.call('select', 16) redis.call('flushdb', 'async')", "0")


class Cache:
    """The run's Redis. `may_load`: a fault will call `loading`."""

    def __init__(self, project: Project, image: str, *, recorder: Recorder, may_load: bool) -> None:
        self._container: ServerContainer
        self._project = project
        self._image = image
        self._recorder = recorder
        self._options = ("--databases", "17", *(DEBUG if may_load else ()))

    def start(self, network: Any) -> None:
        """Start the container on `network`. Blocking."""
        command = ["redis-server", "--save", "", *self._options]
        container = self._project.container(REDIS, self._image, network=network, command=command)
        self._container = ServerContainer(self._project, container, network, role=REDIS)

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """While entered, it answers -LOADING: it saves its data, and loads them again slowly.

        Its connections stay open. Emits `cache.loading` and `cache.loaded`, with what it answered
        to PING. Raises HarnessError if it has loaded its data before the heal.
        """
        for command in PREPARE:
            await self._ask(*command)
        reloading = asyncio.ensure_future(self._ask("debug", "reload"))
        try:
            self._emit("cache.loading", said=await self._says("LOADING"))
            yield
        finally:
            await finish(self._end_loading(reloading))

    def stopped(self) -> AbstractAsyncContextManager[None]:
        """While entered, Docker has paused the container; it says so by two events."""
        return self._container.stopped(self._emit)

    async def _end_loading(self, reloading: asyncio.Future[str]) -> None:
        was_held = not reloading.done()
        await self._ask(*LOAD_AT_ONCE)
        await reloading
        self._emit("cache.loaded", said=await self._says("PONG"))
        await self._ask(*CLEAR)
        if not was_held:
            raise HarnessError(
                "Redis had loaded its data before the heal",
                hint="heal the fault earlier; it can be held for 500 s of wall time",
            )

    async def _says(self, wanted: str) -> str:
        until_s = time.monotonic() + BOUND_S
        while not (said := await self._ask("ping")).startswith(wanted):
            if time.monotonic() > until_s:
                raise HarnessError(
                    f"Redis ({self._image}) should answer PING with {wanted}, but: {said}",
                    hint="see redis.log in the artifacts",
                )
            await asyncio.sleep(ASK_EVERY_S)  # a server that starts or loads announces nothing
        return said

    async def _ask(self, *command: str) -> str:
        return await blocking(self._container.run, "redis-cli", *command)

    def _emit(self, kind: str, **data: Any) -> None:
        self._recorder.emit("cache", kind, data, target=REDIS)

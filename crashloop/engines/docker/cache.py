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

    from crashloop.engines.docker.interference import Interference
    from crashloop.engines.docker.project import Project
    from crashloop.trace.recorder import Recorder

BOUND_S = 10.0
ASK_EVERY_S = 0.02

KEYS = 12_000
KEY_LOAD_DELAY_US = 50_000
"""Redis sleeps this long for each key that it loads: 600 s for all of them.

Between two keys it answers its clients, so an answer takes no longer either.
"""
SETTINGS = {
    "rdbcompression": "no",
    "loading-process-events-interval-bytes": "1024",
    "key-load-delay": str(KEY_LOAD_DELAY_US),
}
FILL = "for i = 1, %d do redis.call('set', 'crashloop:' .. i, string.rep('x', 1024)) end"
CLEAR = "for i = 1, %d do redis.call('unlink', 'crashloop:' .. i) end"


class Cache:
    """The run's Redis. `may_load`: a fault will call `loading`, which needs Redis 7."""

    def __init__(
        self,
        project: Project,
        image: str,
        *,
        recorder: Recorder,
        interference: Interference,
        may_load: bool,
    ) -> None:
        self._container: ServerContainer
        self._project = project
        self._image = image
        self._recorder = recorder
        self._interference = interference
        self._options = ("--enable-debug-command", "yes") if may_load else ()

    def start(self, network: Any) -> None:
        """Start the container on `network`. Blocking."""
        command = ["redis-server", "--save", "", *self._options]
        container = self._project.container(REDIS, self._image, network=network, command=command)
        address = self._project.start(container, network)
        self._container = ServerContainer(
            self._project.daemon,
            self._interference,
            role=REDIS,
            identity=str(container.get_container_id()),
            address=address,
        )

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """While entered, it loads its dataset and answers every command with -LOADING.

        It saves what it has and loads it again, slowly; no connection is closed. Emits
        `cache.loading` and `cache.loaded`, each as INFO says. Raises HarnessError if it has
        loaded before it should.
        """
        await self._ask("eval", FILL % KEYS, "0")
        for name, value in SETTINGS.items():
            await self._ask("config", "set", name, value)
        reloading = asyncio.ensure_future(self._ask("debug", "reload"))
        try:
            await self._until(is_loading=True)
            self._emit("cache.loading")
            yield
            if not await self._is_loading():
                raise HarnessError(
                    "Redis has loaded its dataset before the fault's heal",
                    hint="heal the fault earlier, or run it at another time scale",
                )
        finally:
            await finish(self._load(reloading))

    async def _load(self, reloading: asyncio.Future[str]) -> None:
        await self._ask("config", "set", "key-load-delay", "0")
        await reloading
        await self._until(is_loading=False)
        self._emit("cache.loaded")
        await self._ask("eval", CLEAR % KEYS, "0")

    async def _until(self, *, is_loading: bool) -> None:
        until_s = time.monotonic() + BOUND_S
        while await self._is_loading() is not is_loading:
            if time.monotonic() > until_s:
                what = "load its dataset" if is_loading else "finish loading its dataset"
                raise HarnessError(
                    f"Redis ({self._image}) did not {what} within {BOUND_S:g} s",
                    hint="see redis.log in the artifacts",
                )
            await asyncio.sleep(ASK_EVERY_S)

    async def _is_loading(self) -> bool:
        return "loading:1" in (await self._ask("info", "persistence")).split()

    async def _ask(self, *command: str) -> str:
        """Its answer to a command; HarnessError if that is an error."""
        return await blocking(self._container.run, "redis-cli", "-e", *command)

    def _emit(self, kind: str) -> None:
        self._recorder.emit("cache", kind, {}, target=REDIS)

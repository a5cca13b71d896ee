"""The side-car: our own proxy in a container, where Cloud SQL's would be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.daemon import require_reachable
from crashloop.engines.remote_proxy import RemoteProxy
from crashloop.errors import CrashloopError
from crashloop.proxy.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.remote_proxy import EmitAt

API_PORT = 8474
START_BOUND_S = 30.0
ASK_EVERY_S = 0.02


class Sidecar(RemoteProxy):
    """The proxy of a side-car, once `begin` has found it at its container's address."""

    def __init__(self, *, name: str, emit: EmitAt, daemon: Daemon) -> None:
        super().__init__(name=name, emit=emit)
        self._daemon = daemon
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._begun_ns = time.monotonic_ns()

    async def begin(self, address: str) -> None:
        """Wait until it answers there, and hear its events from the first on.

        Raises CapabilityError where that address cannot be reached from here.
        """
        await answering(address, self._daemon)
        self._control = Control(f"http://{address}:{API_PORT}")
        threading.Thread(target=self._follow, daemon=True, name="proxy events").start()
        start_s = round((time.monotonic_ns() - self._begun_ns) / NS_PER_S, 4)
        facts = {"api": self._control.url, "start_s": start_s}
        self._emit("proxy.started", facts, time.monotonic_ns())

    def stopping(self) -> None:
        """It is about to be ended: that is no failure of its."""
        self._stopping = True

    def _follow(self) -> None:
        why = "closed its events"
        try:
            for event in self._control.events(until=None):
                self._in_loop(self.hear, event)
        except CrashloopError as error:
            why = error.message
        if not self._stopping:
            self._in_loop(self.fail, f"cannot be heard any more: {why}")

    def _in_loop(self, what: Callable[..., None], argument: Mapping[str, Any] | str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, argument)


async def answering(address: str, daemon: Daemon) -> None:
    """Wait until the API of the fault proxy at a container's address takes connections.

    Raises CapabilityError where it does not within 30 s.
    """
    until_s = time.monotonic() + START_BOUND_S
    while True:
        try:
            async with asyncio.timeout(1):
                _, writer = await asyncio.open_connection(address, API_PORT)
        except (OSError, TimeoutError) as error:
            if time.monotonic() > until_s:
                raise require_reachable(
                    daemon.facts, f"{address}:{API_PORT}: {error or 'no answer'}"
                ) from None
            # A port that opens in another network namespace gives no event.
            await asyncio.sleep(ASK_EVERY_S)
            continue
        writer.close()
        return

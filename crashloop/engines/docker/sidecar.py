"""The side-car: our own proxy in a container, in the place of Cloud SQL's."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.daemon import unreachable
from crashloop.engines.docker.threads import follow
from crashloop.engines.remote_proxy import RemoteProxy
from crashloop.proxy.control import Control

if TYPE_CHECKING:
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.remote_proxy import EmitAt

API_PORT = 8474
START_BOUND_S = 30.0
ASK_EVERY_S = 0.02


class Sidecar(RemoteProxy):
    """The proxy in the side-car's container; usable after `begin`."""

    def __init__(self, *, emit: EmitAt, daemon: Daemon) -> None:
        super().__init__(emit=emit)
        self._daemon = daemon
        self._stopping = False
        self._begun_ns = time.monotonic_ns()

    async def begin(self, address: str) -> None:
        """Wait until it answers at `address`, and receive all its events.

        Raises CapabilityError if that address cannot be reached from here.
        """
        await answering(address, self._daemon)
        control = self.control = Control(f"http://{address}:{API_PORT}")
        follow(
            "proxy events",
            lambda: control.events(until=None),
            on_item=self.record,
            on_end=self._end,
        )
        start_s = round((time.monotonic_ns() - self._begun_ns) / NS_PER_S, 4)
        facts = {"api": control.url, "start_s": start_s}
        self._emit("proxy.started", facts, time.monotonic_ns())

    def stopping(self) -> None:
        """Note that its end is not a failure from now on."""
        self._stopping = True

    def _end(self, why: str) -> None:
        if not self._stopping:
            self.fail(f"sends no more events: {why or 'it closed the stream'}")


async def answering(address: str, daemon: Daemon) -> None:
    """Wait until the fault proxy at a container's address accepts connections to its API.

    Raises CapabilityError if it does not within 30 s.
    """
    until_s = time.monotonic() + START_BOUND_S
    while True:
        try:
            async with asyncio.timeout(1):
                _, writer = await asyncio.open_connection(address, API_PORT)
        except (OSError, TimeoutError) as error:
            if time.monotonic() > until_s:
                why = f"{address}:{API_PORT}: {error or 'no answer'}"
                raise unreachable(daemon.facts, why) from None
            # A port that opens in another network namespace gives no event.
            await asyncio.sleep(ASK_EVERY_S)
            continue
        writer.close()
        return

"""A TCP service that runs already, and is no part of the lab: only the path to it is ours."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from crashloop.apps import service_values
from crashloop.engines.ports import HOST
from crashloop.errors import HarnessError, UsageError
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.model import Dependency
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder

BOUND_S = 5.0


class ServiceDependency:
    """A service at `upstream`; its path begins at a port of ours."""

    server = None

    def __init__(self, name: str, upstream: Address, recorder: Recorder) -> None:
        self.title = f"the service {name}"
        self.listen = Address(host=HOST, port=0)
        self.upstream = upstream
        self._name = name
        self._recorder = recorder

    def values(self, address: Address) -> dict[str, str]:
        """The placeholders for its URL, host and port."""
        return service_values(self._name, address.host, address.port)

    async def baseline(self, address: Address) -> dict[str, Any]:
        """Connect through the path, up to the service: nobody knows what it would answer."""
        connected = asyncio.Event()

        def on_event(event: Event) -> None:
            if event.kind == "link.connected" and event.target == self._name:
                connected.set()

        self._recorder.subscribe(on_event)
        try:
            async with asyncio.timeout(BOUND_S):
                _, writer = await asyncio.open_connection(address.host, address.port)
                try:
                    await connected.wait()
                finally:
                    writer.close()
                with contextlib.suppress(OSError):  # it was connected, which is all that is asked
                    await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            why = str(error) or f"no connection within {BOUND_S:g} s"
            raise HarnessError(
                f"the path to {self.title} did not work before any fault: "
                f"{type(error).__name__}: {why}",
                hint=f"does it still take connections at {self.upstream}?",
            ) from error
        finally:
            self._recorder.unsubscribe(on_event)
        return {"query": "connect"}


@contextlib.asynccontextmanager
async def service(planned: Dependency, recorder: Recorder) -> AsyncIterator[ServiceDependency]:
    """The service that runs at `upstream`; UsageError if it takes no connection there."""
    upstream = Address.parse(f"tcp:{planned.settings['upstream']}")
    try:
        async with asyncio.timeout(BOUND_S):
            _, writer = await asyncio.open_connection(upstream.host, upstream.port)
    except (OSError, TimeoutError) as error:
        where = planned.settings["upstream"]
        raise UsageError(
            f"the service {planned.name} takes no connection at {where}: {type(error).__name__}",
            hint=f"start it, or correct services.{planned.name}.upstream in the app's entry",
        ) from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    yield ServiceDependency(planned.name, upstream, recorder)

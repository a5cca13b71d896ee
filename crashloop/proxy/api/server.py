"""The API's listening socket and its connections."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.api import endpoint
from crashloop.proxy.api.connection import Connection, Limits

if TYPE_CHECKING:
    from crashloop.proxy.api.routes import Routes

MAX_CONNECTIONS = 256
STOP_LIMIT_S = 1.0

_BACKLOG = 1024


class ApiServer:
    """Serves the routes from `start()` to `stop()`, to so many connections at a time."""

    def __init__(
        self,
        routes: Routes,
        *,
        max_connections: int = MAX_CONNECTIONS,
        limits: Limits | None = None,
    ) -> None:
        self._routes = routes
        self._max_connections = max_connections
        self._limits = limits or Limits()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], Connection] = {}

    async def start(self, listen: str) -> Address:
        """Listen on `host:port` (port 0: a free one; no host: loopback); return the real address.

        Raises UsageError for an address that cannot be listened on.
        """
        hint = "give HOST:PORT, as in 127.0.0.1:8474; port 0 is a free one"
        if not listen:
            raise UsageError("the API's address is empty", hint=hint)
        try:
            address = await endpoint.listening(listen)
        except UsageError as error:
            raise UsageError(
                f"the API cannot listen on {listen!r}: {error.message}", hint=hint
            ) from error
        if address.path:
            problem = "its clients speak TCP only"
            raise UsageError(f"the API cannot listen on {listen!r}: {problem}", hint=hint)
        try:
            self._server = await asyncio.start_server(
                self._serve, address.host, address.port, backlog=_BACKLOG
            )
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise UsageError(
                f"the API cannot listen on {endpoint.show(address)}: {reason}",
                hint="is a proxy running there already? --api 127.0.0.1:0 takes a free port",
            ) from error
        port = self._server.sockets[0].getsockname()[1]
        return Address(host=address.host, port=port)

    async def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Take no more connections, finish the answers being sent, and close the rest."""
        if self._server is not None:
            self._server.close()
        for task, connection in self._open.items():
            if connection.finish():
                task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=limit_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = Connection(reader, writer, routes=self._routes, limits=self._limits)
        try:
            if len(self._open) >= self._max_connections:
                await connection.turn_away("too many connections to the API", 503)
            else:
                self._open[task] = connection
                await connection.run()
        except OSError:
            connection.abort()  # the client has disconnected
        except asyncio.CancelledError:
            connection.abort()  # by `stop`; Python 3.11 reports a cancelled handler as an error
        except BaseException:
            connection.abort()
            raise
        finally:
            self._open.pop(task, None)
            writer.close()

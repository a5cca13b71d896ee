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
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()

    async def start(self, listen: str) -> Address:
        """Listen on `host:port` (port 0: a free one; no host: loopback); gives the real address.

        Raises UsageError for an address that cannot be listened on.
        """
        try:
            address = await endpoint.listening(listen)
        except UsageError as error:
            raise UsageError(
                f"the API cannot listen on {listen!r}: {error.message}",
                hint="give HOST:PORT, as in 127.0.0.1:8474; port 0 is a free one",
            ) from error
        if address.path:
            raise UsageError(
                f"the API cannot listen on {listen!r}: its clients speak TCP only",
                hint="give HOST:PORT, as in 127.0.0.1:8474; port 0 is a free one",
            )
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._connection, address.host, address.port, backlog=_BACKLOG
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
        """Take no more connections, let answers on their way out, and close the rest."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.finish()
        try:
            async with asyncio.timeout(limit_s):
                while self._connections:
                    self._gone.clear()
                    await self._gone.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()

    def _connection(self) -> Connection:
        return Connection(
            answer=self._routes.answer,
            sequenced=self._routes.sequenced,
            on_open=self._opened,
            on_close=self._closed,
            limits=self._limits,
        )

    def _opened(self, connection: Connection) -> bool:
        if len(self._connections) >= self._max_connections:
            return False
        self._connections.add(connection)
        return True

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._gone.set()

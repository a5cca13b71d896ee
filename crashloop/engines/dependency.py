"""The dependencies of a local run: each a server, and where its path begins and leads to."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from crashloop.apps import url_values
from crashloop.engines import baseline
from crashloop.engines.binaries import find_binaries
from crashloop.engines.cache import cache
from crashloop.engines.pgbouncer import pooler
from crashloop.engines.ports import HOST
from crashloop.engines.postgres_run import postgres
from crashloop.engines.service import ServiceDependency, service
from crashloop.engines.template import ROLE, template
from crashloop.model import Transport
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.base import Setup
    from crashloop.engines.cache import CacheServer
    from crashloop.engines.links import Links
    from crashloop.engines.pgbouncer import Pooler
    from crashloop.engines.postgres import PostgresServer
    from crashloop.engines.server import Server
    from crashloop.engines.workspace import Workspace
    from crashloop.model import Dependency

INSTANCE = "lab:local:postgres"  # the shape of Cloud SQL's PROJECT:REGION:INSTANCE
SOCKET = ".s.PGSQL.5432"


class LocalDependency(Protocol):
    """A started dependency. The harness reaches it directly, the app through its path alone."""

    @property
    def title(self) -> str:
        """What it is called in a message."""

    @property
    def server(self) -> Server | None:
        """The server itself; None if it is no part of the lab."""

    @property
    def listen(self) -> Address:
        """Where its path begins."""

    @property
    def upstream(self) -> Address:
        """Where its path leads to."""

    def values(self, address: Address) -> dict[str, str]:
        """The placeholders of the app's templates for it at `address`."""

    async def baseline(self, address: Address) -> dict[str, Any]:
        """Use it at `address` as the app would; HarnessError if that does not work.

        Returns what was asked, and what the server showed.
        """


class PostgresDependency:
    """A real Postgres; its path is a Unix socket as on Cloud SQL, or a port, and leads to TCP.

    With a pooler `between`, it leads there.
    """

    title = "Postgres"

    def __init__(
        self,
        planned: Dependency,
        server: PostgresServer,
        folder: Path,
        between: Pooler | None = None,
    ) -> None:
        self.server = server
        self.pooler = between
        self._name = planned.name
        self._host = planned.host
        if planned.transport is Transport.UNIX:
            self.listen = Address(path=str(folder / SOCKET))
        else:
            self.listen = Address(host=HOST, port=0)
        self.upstream = Address(host=HOST, port=(between or server).port)

    def values(self, address: Address) -> dict[str, str]:
        """The placeholders for its URL, with the app's role, and for the parts of it."""
        return url_values(self._name, self._url(address))

    def _url(self, address: Address) -> str:
        host = str(Path(address.path).parent) if address.path else self._host or address.host
        return self.server.app_url(host=host, port=address.port)

    async def baseline(self, address: Address) -> dict[str, Any]:
        """Let it answer `select 1`, and count the role's sessions meanwhile."""
        async with baseline.selected(self._url(address)):
            sessions = await self.server.inspector.sessions(ROLE)
        return {"query": baseline.SELECT, "sessions": sessions}


class RedisDependency:
    """A Redis server, or fakeredis; its path begins and ends at a port."""

    title = "the cache"

    def __init__(self, planned: Dependency, server: CacheServer) -> None:
        self._name = planned.name
        self._host = planned.host
        self.server = server
        self.listen = Address(host=HOST, port=0)
        self.upstream = Address(host=HOST, port=urlsplit(server.url).port or 0)

    def values(self, address: Address) -> dict[str, str]:
        """The placeholders for the URL of its first database, and for the parts of it."""
        return url_values(self._name, f"redis://{self._host or address.host}:{address.port}/0")

    async def baseline(self, address: Address) -> dict[str, Any]:
        """Let it answer PING."""
        await baseline.ping(address.host, address.port, log="cache.log")
        return {"query": baseline.PING}


@contextlib.asynccontextmanager
async def postgres_dependency(
    planned: Dependency, setup: Setup, space: Workspace, links: Links
) -> AsyncIterator[PostgresDependency]:
    """Start a Postgres with the scenario's settings."""
    binaries = await asyncio.to_thread(find_binaries, setup.postgres_bin)
    source = await template(space, binaries)
    for secret in (source.app_password, source.superuser_password):
        setup.recorder.redactor.add(secret)
    folder = space.part("cloudsql") / INSTANCE
    folder.mkdir(mode=0o700)
    emit = partial(links.record_of_server, "database", target=planned.name)
    async with postgres(
        space, source, emit=emit, evidence=setup.artifacts, settings=planned.settings
    ) as server:
        if not planned.pooler:
            yield PostgresDependency(planned, server, folder)
            return
        async with pooler(
            space,
            server,
            mode=planned.pooler,
            password=source.app_password,
            emit=partial(links.record_of_server, "pooler", target=planned.name),
            evidence=setup.artifacts,
        ) as between:
            yield PostgresDependency(planned, server, folder, between)


@contextlib.asynccontextmanager
async def redis_dependency(
    planned: Dependency, setup: Setup, space: Workspace, links: Links
) -> AsyncIterator[RedisDependency]:
    """Start a cache."""
    emit = partial(links.record_of_server, "cache", target=planned.name)
    async with cache(space, emit=emit, evidence=setup.artifacts) as server:
        yield RedisDependency(planned, server)


@contextlib.asynccontextmanager
async def tcp_dependency(
    planned: Dependency, setup: Setup, _space: Workspace, _links: Links
) -> AsyncIterator[ServiceDependency]:
    """Find a service that runs already."""
    async with service(planned, setup.recorder) as found:
        yield found


KINDS: Mapping[
    str,
    Callable[[Dependency, Setup, Workspace, Links], AbstractAsyncContextManager[LocalDependency]],
] = {"postgres": postgres_dependency, "redis": redis_dependency, "tcp": tcp_dependency}
"""How a dependency of each kind is started."""

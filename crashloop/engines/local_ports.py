"""What faults may act on in a local run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.engines.cache import CacheServer
from crashloop.engines.pgbouncer import no_pooler
from crashloop.engines.postgres import PostgresServer
from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.links import Links
    from crashloop.engines.lives import Lives
    from crashloop.engines.names import Names
    from crashloop.engines.pgbouncer import Pooler
    from crashloop.engines.remote_proxy import ProxiedPath, RemoteProxy
    from crashloop.engines.revisions import OldRevision
    from crashloop.engines.server import Server
    from crashloop.model import Life

ServerKind = TypeVar("ServerKind", bound="Server")


class LocalPorts:
    """The paths, servers and processes of a local run; CapabilityError for what it lacks."""

    def __init__(
        self,
        *,
        links: Links,
        proxy: RemoteProxy,
        servers: Mapping[str, Server],
        poolers: Mapping[str, Pooler],
        revisions: OldRevision,
        lives: Lives,
        names: Names,
    ) -> None:
        self._links = links
        self._proxy = proxy
        self._servers = servers
        self._poolers = poolers
        self._revisions = revisions
        self._lives = lives
        self._names = names

    def path(self, target: str) -> ProxiedPath:
        """The proxied path to a dependency."""
        return self._proxy.path(target)

    def path_at(self, target: str, host: str) -> AbstractAsyncContextManager[ProxiedPath]:
        """A second path to a dependency, at the first one's port of another address."""
        return self._proxy.beside(target, host)

    def database(self, target: str) -> PostgresServer:
        """A Postgres."""
        return self._server(target, PostgresServer)

    def pooler(self, target: str) -> Pooler:
        """The pooler of a Postgres."""
        if target not in self._poolers:
            raise no_pooler(target)
        return self._poolers[target]

    def cache(self, target: str) -> CacheServer:
        """A Redis."""
        return self._server(target, CacheServer)

    def revisions(self) -> OldRevision:
        """The old revision's instances."""
        return self._revisions

    def lives(self) -> Lives:
        """The app's own processes."""
        return self._lives

    def quotas(self) -> None:
        """None: the app's processes are this machine's, with no limit of their own."""

    def names(self) -> Names:
        """The names by which the app reaches its dependencies."""
        return self._names

    def emit(
        self, source: str, kind: str, target: str, *, life: Life | None = None, **data: Any
    ) -> None:
        """Record an event of a target, of `life` or of that whose link the field `client` names."""
        self._links.record_of_server(source, kind, data, target=target, life=life)

    def _server(self, target: str, kind: type[ServerKind]) -> ServerKind:
        server = self._servers.get(target)
        if not isinstance(server, kind):
            raise CapabilityError(
                f"this fault needs a {kind.source}, and {target!r} is not one",
                hint=f"dependencies of this run: {', '.join(self._servers) or 'none'}",
            )
        return server

"""What faults may act on in a run on Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.capability import POSTGRES, REDIS
from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from crashloop.engines.docker.cache import Cache
    from crashloop.engines.docker.database import Database
    from crashloop.engines.docker.faults import MadeByParts
    from crashloop.engines.docker.servers import Servers
    from crashloop.engines.revisions import OldRevision
    from crashloop.trace.recorder import Recorder


class DockerPorts:
    """The paths, servers and revisions of a run; CapabilityError for what it has not."""

    def __init__(self, recorder: Recorder, servers: Servers, revisions: OldRevision) -> None:
        self._recorder = recorder
        self._servers = servers
        self._revisions = revisions

    def path(self, target: str) -> MadeByParts:
        """The proxied path to a dependency."""
        if target not in self._servers.paths.addresses:
            raise _missing(target)
        return self._servers.path(target)

    def database(self, target: str) -> Database:
        """A Postgres."""
        if target != POSTGRES:
            raise _missing(target)
        return self._servers.database

    def cache(self, target: str) -> Cache:
        """A Redis."""
        if target != REDIS or self._servers.cache is None:
            raise _missing(target)
        return self._servers.cache

    def revisions(self) -> OldRevision:
        """The old revision's instances."""
        return self._revisions

    def emit(self, source: str, kind: str, target: str, **data: Any) -> None:
        """Record an event of a target."""
        self._recorder.emit(source, kind, data, target=target)


def _missing(target: str) -> CapabilityError:
    return CapabilityError(
        f"this fault cannot act on {target!r} in this run",
        hint="name a dependency of the scenario, of the kind that the fault acts on",
    )

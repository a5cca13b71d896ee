"""What faults may act on in a run on Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from crashloop.engines.docker.capability import POSTGRES, no_lives
from crashloop.engines.pgbouncer import no_pooler
from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from crashloop.engines.docker.path_events import PathEvents
    from crashloop.engines.docker.quotas import Quotas
    from crashloop.engines.docker.servers import Servers
    from crashloop.engines.revisions import OldRevision
    from crashloop.faults.ports import Cache, Database, Path, Pooler
    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder


class DockerPorts:
    """The paths, servers and revisions of a run on Docker; CapabilityError for what it lacks."""

    def __init__(
        self,
        servers: Servers,
        *,
        recorder: Recorder,
        events: PathEvents,
        revisions: OldRevision,
        quotas: Quotas,
    ) -> None:
        self._servers = servers
        self._recorder = recorder
        self._events = events
        self._revisions = revisions
        self._quotas = quotas

    def path(self, target: str) -> Path:
        """The proxied path to a dependency."""
        return self._servers.path(target)

    def path_at(self, target: str, host: str) -> NoReturn:
        """Refused: CapabilityError."""
        raise CapabilityError(
            f"the Docker engine has no second path to {target} at {host}",
            hint="run it on the local engine",
        )

    def database(self, target: str) -> Database:
        """A Postgres."""
        assert target == POSTGRES, "a fault's target is of a kind that it acts on"
        return self._servers.database

    def pooler(self, target: str) -> Pooler:
        """The pooler of a Postgres."""
        if target != POSTGRES or self._servers.pooler is None:
            raise no_pooler(target)
        return self._servers.pooler

    def cache(self, target: str) -> Cache:
        """A Redis."""
        if self._servers.cache is None:
            raise CapabilityError(f"there is no {target} in this run")
        return self._servers.cache

    def revisions(self) -> OldRevision:
        """The old revision's instances."""
        return self._revisions

    def lives(self) -> NoReturn:
        """Refused: CapabilityError."""
        raise no_lives()

    def quotas(self) -> Quotas:
        """What the kernel holds the app's containers to."""
        return self._quotas

    def names(self) -> NoReturn:
        """Refused: CapabilityError."""
        raise no_lives()

    def emit(
        self, source: str, kind: str, target: str, *, life: Life | None = None, **data: Any
    ) -> None:
        """Record an event of a target, of `life` or of that whose link the field `client` names."""
        life = self._events.owner(client) if (client := data.get("client")) else life
        self._recorder.emit(source, kind, data, life=life, target=target)

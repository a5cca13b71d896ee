"""What the app needs to start, and the path to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.trigger import Value


class Transport(StrEnum):
    """How the app reaches a dependency."""

    UNIX = "unix"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A server behind a proxied path: `kind` is `postgres`, `redis` or `tcp`.

    The app reaches it over TCP by the name `host`, empty: by its IP address. `settings` are the
    server's own. Of `tcp`, any service that runs already, `upstream` is its
    `host:port`. Its name is what faults and checks call
    their target, and what templates of the app use. `pooler` is the pool mode of a PgBouncer
    between a Postgres and its path; "": there is none.
    """

    name: str
    kind: str
    transport: Transport = Transport.TCP
    host: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    pooler: str = ""

"""The record of a database tier: how many connections a server of that size takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.profiles.figure import Figure

MAX_CONNECTIONS = "max_connections"
RESERVED = "reserved"
MEMORY = "memory"

CUSTOM = re.compile(r"db-custom-(?P<cpus>[1-9]\d{0,2})-(?P<mb>[1-9]\d{0,6})")
"""What Cloud SQL calls a machine of any size: its CPUs, and its memory in MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A database server by its figures; `max_connections` and `reserved` are always there."""

    name: str
    title: str
    figures: Mapping[str, Figure]

    @property
    def is_custom(self) -> bool:
        """Whether its name says how much memory it has."""
        return CUSTOM.fullmatch(self.name) is not None

    @property
    def max_connections(self) -> int:
        """How many connections the server takes."""
        return int(self.figures[MAX_CONNECTIONS].low)

    @property
    def reserved(self) -> int:
        """How many of them are for superusers alone."""
        return int(self.figures[RESERVED].low)

    @property
    def for_apps(self) -> int:
        """How many connections are left for apps."""
        return self.max_connections - self.reserved

    def instances(self, connections: int) -> int:
        """How many instances of an app have room that hold that many connections each."""
        return self.for_apps // connections

    @property
    def settings(self) -> Mapping[str, int]:
        """The figures as settings of a Postgres."""
        return {
            "max_connections": self.max_connections,
            "superuser_reserved_connections": self.reserved,
        }

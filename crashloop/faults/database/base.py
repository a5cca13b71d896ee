"""What the faults of a Postgres have in common."""

from __future__ import annotations

from typing import ClassVar

from crashloop.faults.base import Fault


class DatabaseFault(Fault):
    """A fault of Postgres; the server itself shows that it acts."""

    __slots__ = ()

    acts_on: ClassVar[frozenset[str]] = frozenset({"postgres"})

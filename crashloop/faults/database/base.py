"""What the faults of a Postgres have in common."""

from __future__ import annotations

from typing import ClassVar

from crashloop.faults.alone import dies, fails_at_once
from crashloop.faults.base import Fault
from crashloop.model import CheckSpec

PHASE, TARGET = "database", "postgres"
OF_TARGET = {"target": TARGET, "phase": PHASE}
HANGS = dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True)
"""How the sample app dies where Postgres does not answer."""


class DatabaseFault(Fault):
    """A fault of Postgres; the server itself shows that it acts."""

    __slots__ = ()

    acts_on: ClassVar[frozenset[str]] = frozenset({"postgres"})


def refused(sqlstate: str) -> tuple[CheckSpec, ...]:
    """How the sample app dies where Postgres refuses at once what it asks for."""
    return (
        *fails_at_once(PHASE, sqlstate),
        CheckSpec(check="server_said", params={**OF_TARGET, "errors": (sqlstate,)}),
    )


def came(way: str) -> CheckSpec:
    """What the app's connection to Postgres came to, one of `crashloop.checks.connection.WAYS`."""
    return CheckSpec(check="connection_was", params={**OF_TARGET, "way": way})

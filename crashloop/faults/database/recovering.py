"""The fault of a Postgres that recovers."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone, fails_at_once
from crashloop.faults.database.base import DatabaseFault
from crashloop.faults.states import showed
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

PHASE, TARGET = "database", "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovering(DatabaseFault):
    """The server is stopped right after a write, and recovers until the heal: it answers 57P03."""

    kind = "recovering"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "57P03"}
    )
    alone = Alone(
        target=TARGET,
        shows=(
            *fails_at_once(PHASE, "57P03"),
            showed(TARGET, "database.recovering"),
        ),
        told_by={"refuse": "phase_failed", "starting_up": "server_showed"},
        ends="the recovery ends on its own; until then, a retry of 57P03 with back-off",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Stop and start the target on entering, let it recover on leaving."""
        del name
        async with ports.database(target).recovering():
            yield

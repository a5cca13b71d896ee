"""The fault of a Postgres that is starting up."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone
from crashloop.faults.database.base import TARGET, DatabaseFault, refused
from crashloop.faults.states import showed
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingUp(DatabaseFault):
    """The server restarts, and answers 57P03 (it is starting up) until the heal."""

    kind = "starting_up"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "57P03"}
    )
    alone = Alone(
        target=TARGET,
        shows=(*refused("57P03"), showed(TARGET, "database.starting")),
        told_by={
            "slots_taken": "phase_failed",
            "read_only": "phase_failed",
            "recovering": "server_showed",
            "loading": "last_phase",
        },
        ends="the server is ready; until then, a retry of 57P03 with back-off",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Restart it as a standby on entering, promote it on leaving."""
        del name
        async with ports.database(target).starting():
            yield

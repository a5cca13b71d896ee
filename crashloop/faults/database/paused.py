"""The fault of a server whose processes are stopped."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone
from crashloop.faults.database.base import HANGS, OF_TARGET, TARGET, DatabaseFault, came
from crashloop.model import CheckSpec, Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(DatabaseFault):
    """Every process of the server is stopped: connections are accepted, and nothing answers."""

    kind = "paused"
    receipt = Receipt(grade=Grade.PROCESS, kinds=("process.stopped",), whose="server")
    alone = Alone(
        target=TARGET,
        shows=(
            *HANGS,
            came("silent"),
            CheckSpec(check="request_passed_on", params={**OF_TARGET, "passed_on": True}),
        ),
        told_by={
            "hold": "request_passed_on",
            "lock_held": "connection_was",
            "cache_silent": "last_phase",
            "slow_query": "connection_was",
            "timeout": "connection_was",
        },
        ends="the server's processes run again: what stopped its machine or container is over",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Stop it on entering, continue it on leaving."""
        del name
        async with ports.database(target).stopped():
            yield

"""The fault of a revision change."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError
from crashloop.faults.base import REPLICAS, Fault
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionChange(Fault):
    """The old revision's instances run beside the new ones and keep their sessions."""

    kind = "revision_change"
    acts_on = frozenset({REPLICAS})
    receipt = Receipt(grade=Grade.SERVER, kinds=("revision.overlapping",), whose="server")

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start the old revision on entering, end it on leaving.

        Emits `revision.overlapping` with the sessions that it holds, as Postgres says, at once and
        again just before it ends. CapabilityError if it holds none at the beginning.
        """
        del name
        async with ports.revisions().overlapping() as count:
            sessions = await count()
            if not any(sessions.values()):
                raise CapabilityError(
                    "the old revision is ready and holds no session, so it takes nothing away",
                    hint="this outage needs an app that opens its connections at its start",
                )
            ports.emit("database", "revision.overlapping", target, sessions=dict(sessions))
            yield
            left = await count()
            ports.emit("database", "revision.overlapping", target, sessions=dict(left))

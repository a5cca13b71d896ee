"""The fault of a revision change."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "53300"}
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start the old revision on entering, end it on leaving."""
        del name, target
        async with ports.revisions().overlapping():
            yield

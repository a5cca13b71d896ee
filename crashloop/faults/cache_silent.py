"""The fault of a cache whose processes are stopped."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone, dies
from crashloop.faults.base import Fault
from crashloop.faults.states import showed
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

PHASE, TARGET, LIMIT_S = "cache", "redis", 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSilent(Fault):
    """Every process of the cache is stopped: connections are accepted, and nothing answers."""

    kind = "cache_silent"
    acts_on = frozenset({TARGET})
    receipt = Receipt(grade=Grade.PROCESS, kinds=("process.stopped",), whose="server")
    alone = Alone(
        target=TARGET,
        phase=PHASE,
        knobs={"cache_critical": True, "cache_limit_s": LIMIT_S},
        shows=(
            *dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True),
            showed(TARGET, "process.stopped"),
        ),
        told_by={
            "cache_refused": "phase_failed",
            "loading": "phase_failed",
            "paused": "last_phase",
        },
        ends="the cache's processes run again; until then, a start that can do without it",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Stop it on entering, continue it on leaving."""
        del name
        async with ports.cache(target).stopped():
            yield

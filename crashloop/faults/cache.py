"""The faults of a Redis itself, behind its path."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone, fails_at_once
from crashloop.faults.base import Fault
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

SAID = "LOADING Redis is loading the dataset in memory"
"""How Redis refuses every command while it loads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading(Fault):
    """The cache loads its data, and answers every command with -LOADING until the heal."""

    kind = "loading"
    acts_on = frozenset({"redis"})
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("cache.loading",), whose="server", where={"said": SAID}
    )
    alone = Alone(
        target="redis",
        phase="cache",
        knobs={"cache_critical": True},
        shows=(*fails_at_once("cache", "BusyLoadingError"),),
        told_by={
            "starting_up": "last_phase",
            "cache_refused": "phase_failed",
            "cache_silent": "phase_failed",
        },
        ends="the cache has loaded its dataset; until then, a start that can do without it",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Let the target load its data on entering, and finish on leaving."""
        del name
        async with ports.cache(target).loading():
            yield

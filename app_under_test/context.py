"""The context of one process life: what the phases build and the endpoints use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_under_test.cache import Cache
    from app_under_test.chat import Chat, Connections
    from app_under_test.database import Database
    from app_under_test.log import Log
    from app_under_test.pool_size import Sizing
    from app_under_test.remedy import Remedy
    from app_under_test.settings import Settings
    from app_under_test.state import State


@dataclass(slots=True, kw_only=True)
class Context:
    """Filled phase by phase; a part is None until its phase builds it.

    `remedies` are those that are switched on, the outermost first. `memory` is taken and not used.
    `started` is set when start-up is complete.
    """

    settings: Settings
    log: Log
    states: dict[str, State] = field(default_factory=dict)
    ready: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    database: Database | None = None
    cache: Cache | None = None
    chat: Chat | None = None
    connections: Connections | None = None
    pool_sizing: Sizing | None = None
    memory: list[bytearray] = field(default_factory=list)
    remedies: list[Remedy] = field(default_factory=list)

    @property
    def degraded(self) -> list[str]:
        """Names of the phases that ended degraded, in order."""
        return [name for name, state in self.states.items() if state == "degraded"]

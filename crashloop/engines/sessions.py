"""The sessions of a life of the app in a Postgres."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from crashloop.engines.inspector import Inspector

    Count: TypeAlias = Callable[[Inspector, Sequence[str]], Awaitable[int]]

GONE_BOUND_S = 2.0
LOOK_EVERY_S = 0.02

OF_CLIENTS = """
select count(*) from pg_stat_activity
where host(client_addr) || ':' || client_port = any($1::text[])
"""


async def count(inspector: Inspector, clients: Sequence[str]) -> int:
    """How many sessions these clients, each a `host:port`, have now."""
    return int(await inspector.ask(OF_CLIENTS, list(clients)))


async def count_left(inspector: Inspector, clients: Sequence[str]) -> int:
    """How many sessions of these clients, each a `host:port`, are left.

    They are counted when none is left, or after 2 s: Postgres needs a moment to notice a closed
    socket, and announces nothing.
    """
    # The first answer may have waited for the end of a fault that stopped Postgres.
    left = await count(inspector, clients)
    until_s = time.monotonic() + GONE_BOUND_S
    while left and time.monotonic() < until_s:
        await asyncio.sleep(LOOK_EVERY_S)
        left = await count(inspector, clients)
    return left

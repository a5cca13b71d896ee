"""The fault of a Postgres in which nothing can be written."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import TARGET, DatabaseFault, refused
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Database, Ports

BOUND_S = 10.0
LOOK_EVERY_S = 0.005

ON = "alter system set default_transaction_read_only = on"
OFF = "alter system reset default_transaction_read_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnly(DatabaseFault):
    """Every transaction is read-only, as where a managed server's disk is full, or on a replica.

    What would write is refused with 25006. Sessions that are open already are told the same from
    their next transaction on.
    """

    kind = "read_only"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "25006"}
    )
    alone = Alone(
        target=TARGET,
        shows=refused("25006"),
        told_by={"starting_up": "phase_failed", "image_older": "phase_failed"},
        ends="the server takes writes again, or the app connects to the primary; reads go on",
    )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Set the server's default on entering, reset it on leaving."""
        del name
        database = ports.database(target)
        try:
            await _load(database, ON)
            yield
        finally:
            await _load(database, OFF)


async def _load(database: Database, change: str) -> None:
    """Change the server's settings, and wait until the server has read them.

    It reads them before it tells its sessions to: once our own has, every new one has them.
    """
    async with database.session(superuser=True) as own:
        before = await own.fetchval("select pg_conf_load_time()")
        await own.execute(change)
        await own.execute("select pg_reload_conf()")
        try:
            async with asyncio.timeout(BOUND_S):
                while not await own.fetchval("select pg_conf_load_time() > $1", before):  # noqa: ASYNC110  Postgres announces no reload
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            raise HarnessError(
                f"Postgres did not read its settings within {BOUND_S:g} s: {change}",
                hint="see postgres.log in the artifacts",
            ) from None

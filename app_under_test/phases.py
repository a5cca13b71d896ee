"""The seven start-up phases, in order, and what each really does."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app_under_test import collector, remedies
from app_under_test.chat import Chat, Connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app_under_test.context import Context

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step. `run` does its work or raises; a phase that is not critical may fail.

    The setting `cache_critical` makes phase cache critical, too.
    """

    name: str
    run: Callable[[Context], Awaitable[None]]
    critical: bool = True


class NotConfiguredError(Exception):
    """A part is absent because the settings do not ask for it."""


async def init(context: Context) -> None:
    """Check what the settings ask for, and switch on the remedies among it.

    The address of the database must be known, and the scratch folder be writable.
    """
    assert context.settings.database_address, "validated settings without a database address"
    if folder := context.settings.scratch_folder:
        await asyncio.to_thread(_write_in, folder)
    remedies.switch_on(context)


def _write_in(folder: str) -> None:
    """Write a file in a folder, of which nothing is left. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\n")


async def dependencies(context: Context) -> None:
    """Load the drivers and check that they are installed; costs about 0.2 s of imports.

    The imports run in a thread so that the phase's limit holds for them too. So does what takes
    the memory that the settings ask for, which is kept.
    """
    settings = context.settings
    packages = ["sqlalchemy", "asyncpg"]
    modules = ["app_under_test.database", "app_under_test.store"]
    if settings.cache_url is not None:
        packages.append("redis")
        modules.append("app_under_test.cache")
    with collector.paused():
        for module in modules:
            await asyncio.to_thread(importlib.import_module, module)
    collector.spare_what_is_loaded()
    for package in packages:
        importlib.metadata.version(package)
    if settings.startup_memory_mib:
        context.memory = await asyncio.to_thread(_memory, settings.startup_memory_mib)
    if settings.dependencies_replay_s:
        await asyncio.sleep(settings.dependencies_replay_s)


def _memory(mib: int) -> list[bytearray]:
    """Take that much memory and write to all of it, piece by piece, as loading a model does."""
    return [bytearray(b"\1") * MIB for _ in range(mib)]


async def database(context: Context) -> None:
    """Open the database: first connection, first real queries, warm connections."""
    from app_under_test.database import Database  # noqa: PLC0415  loaded by phase dependencies

    if context.database is None:  # A retry continues with the connections that it has.
        context.database = Database(context.settings, context.pool_sizing)
    await context.database.open()


async def cache(context: Context) -> None:
    """Open the cache. Raises NotConfiguredError when the settings name none."""
    if context.settings.cache_url is None:
        raise NotConfiguredError("no cache URL")
    from app_under_test.cache import Cache  # noqa: PLC0415  loaded by phase dependencies

    url = context.settings.cache_url.get_secret_value()
    context.cache = await Cache.open(url, context.settings)


async def services(context: Context) -> None:
    """Build the chat service and bind it to the stored messages."""
    from app_under_test.store import MessageStore  # noqa: PLC0415  loaded by phase dependencies

    assert context.database is not None, "phase services before phase database"
    store = MessageStore(context.database)
    context.chat = Chat(store, log=context.log, remedies=context.remedies)


async def websocket(context: Context) -> None:
    """Open the register of chat connections."""
    context.connections = Connections(limit=context.settings.websocket_limit)


async def finalize(context: Context) -> None:
    """Check that every part is there or will come later, and let requests in."""
    is_late = context.states.get("services") == "degraded"
    assert context.chat is not None or is_late, "phase finalize before phase services"
    assert context.connections is not None, "phase finalize before phase websocket"
    context.ready = True


DEFAULT_PHASES: tuple[Phase, ...] = (
    Phase(name="init", run=init),
    Phase(name="dependencies", run=dependencies),
    Phase(name="database", run=database),
    Phase(name="cache", run=cache, critical=False),
    Phase(name="services", run=services),
    Phase(name="websocket", run=websocket),
    Phase(name="finalize", run=finalize),
)
"""The audit's seven phases."""


def variant(**runs: Callable[[Context], Awaitable[None]]) -> tuple[Phase, ...]:
    """The seven phases, where those that are named run something else."""
    return tuple(replace(phase, run=runs.get(phase.name, phase.run)) for phase in DEFAULT_PHASES)

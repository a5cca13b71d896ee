"""The start of a Postgres: what it says when it accepts connections, or why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.engines.advice import hint_for
from crashloop.engines.process import describe_exit
from crashloop.engines.server import START_BOUND_S
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

    from crashloop.engines.process import Process
    from crashloop.engines.template import Template

READY = "database system is ready to accept connections"
CONNECT_BOUND_S = 10.0


async def accepts(
    process: Process, template: Template, log: Path, chosen: Mapping[str, str]
) -> None:
    """Wait until the server accepts connections; an error with its last words if it ends."""
    try:
        await process.said(READY, deadline_s=START_BOUND_S)
    except HarnessError as error:
        last, version = process.tail(), template.binaries.version
        if refused := [f"{name}={value}" for name, value in chosen.items() if name in last]:
            raise UsageError(
                f"Postgres {version} does not start with {', '.join(refused)}; its last lines:\n"
                f"{last}",
                hint="change the settings of the scenario's Postgres",
            ) from error
        how = describe_exit(process.exited.result()) if process.exited.done() else "still starts"
        raise HarnessError(
            f"Postgres {version} ({template.binaries.bin_dir}) did not start; it {how}. Its last "
            f"lines (all of them: {log}):\n{last}",
            hint=f"{hint_for(error.message)}. If its files look damaged, remove "
            f"{template.data_dir.parent}: the next run makes it again",
        ) from error


async def refusal(connecting: Awaitable[asyncpg.Connection[Any]]) -> str:
    """The SQLSTATE with which it refuses a connection; HarnessError if that is not 57P03."""
    try:
        connection = await connecting
    except asyncpg.CannotConnectNowError as error:
        return str(error.sqlstate)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        seen = f"{type(error).__name__}: {error}"
    else:
        seen = "a session"
        await connection.close(timeout=CONNECT_BOUND_S)
    raise HarnessError(
        f"Postgres should answer 57P03 while it starts, but a connection saw: {seen}",
        hint="see postgres.log in the artifacts",
    )

"""The start of a Postgres: what it says when it accepts connections, or why it does not."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.driver import NO_RESULT
from crashloop.engines.advice import hint_for
from crashloop.engines.process import describe_exit, start
from crashloop.engines.server import START_BOUND_S
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

    from crashloop.engines.process import Process
    from crashloop.engines.small_disk import SmallDisk
    from crashloop.engines.template import Template
    from crashloop.engines.workspace import Workspace

READY = "database system is ready to accept connections"
CONNECT_BOUND_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Starts a server with these options, and with `disk` once that is taken."""

    workspace: Workspace
    template: Template
    disk: SmallDisk
    data_dir: Path
    log: Path
    options: Mapping[str, str]

    def __call__(self, **more: str) -> Process:
        """Start it, with `more` options."""
        options = {**self.options, **more}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        program = self.template.binaries.bin_dir / "postgres"
        return start(
            [*self.disk.words(), program, "-D", self.data_dir, *words],
            workspace=self.workspace,
            name="Postgres",
            account=None if self.disk.is_taken else self.workspace.account,
            environment={"LC_ALL": "C"},
            log=self.log,
            stop_signal=signal.SIGQUIT,
        )


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
    except NO_RESULT as error:
        seen = f"{type(error).__name__}: {error}"
    else:
        seen = "a session"
        await connection.close(timeout=CONNECT_BOUND_S)
    raise HarnessError(
        f"Postgres should answer 57P03 while it starts, but a connection saw: {seen}",
        hint="see postgres.log in the artifacts",
    )

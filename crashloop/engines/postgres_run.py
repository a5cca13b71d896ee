"""A Postgres for one run: its own copy of the template, started, and stopped again."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from crashloop.engines.ports import kept_port
from crashloop.engines.postgres import PostgresServer
from crashloop.engines.postgres_settings import HOST, SETTINGS, postgres_settings
from crashloop.engines.postgres_start import Launch, accepts
from crashloop.engines.process import finish
from crashloop.engines.small_disk import SmallDisk
from crashloop.engines.template import copy_template
from crashloop.engines.workspace import MAX_SOCKET_PATH_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from crashloop.engines.server import Emit
    from crashloop.engines.template import Template
    from crashloop.engines.workspace import Workspace
    from crashloop.model import Value


@contextlib.asynccontextmanager
async def postgres(
    workspace: Workspace,
    template: Template,
    *,
    emit: Emit,
    evidence: Path,
    settings: Mapping[str, Value] | None = None,
) -> AsyncIterator[PostgresServer]:
    """Copy the template, start it, and stop it on leaving, whatever happens in between.

    `settings` are a scenario's own. `emit` gets database.started, database.stopped, database.died
    and a `database.error` for each error in the server's log, which is written to
    `evidence`/postgres.log. Raises UsageError for settings that it may not choose or the server
    refuses, HarnessError when the server does not start.
    """
    chosen = postgres_settings(settings or {})
    folder = workspace.part("pg", account=workspace.account)
    socket_dir = workspace.part("s", account=workspace.account)
    assert len(f"{socket_dir}/.s.PGSQL.65535.lock") <= MAX_SOCKET_PATH_BYTES
    data_dir = await copy_template(workspace, template, folder)
    disk = SmallDisk(workspace.part("disk", account=workspace.account), workspace.account)
    log = evidence / "postgres.log"
    with kept_port(HOST) as port:
        places = {"port": str(port), "unix_socket_directories": str(socket_dir)}

        launch = Launch(
            workspace=workspace,
            template=template,
            disk=disk,
            data_dir=data_dir,
            log=log,
            options={**SETTINGS, **chosen, **places},
        )
        begun_s = time.monotonic()
        process = launch()
        server = PostgresServer(
            process,
            emit,
            launch=launch,
            settings=chosen,
            socket_dir=socket_dir,
            port=port,
        )
        try:
            await accepts(process, template, log, chosen)
            facts = {
                "pid": server.pid,
                "version": template.binaries.version,
                "source": template.binaries.source,
                "start_s": round(time.monotonic() - begun_s, 4),
                "socket_dir": str(socket_dir),
                "port": port,
            }
            emit("database.started", facts)
            yield server
        finally:
            await finish(server.stop())

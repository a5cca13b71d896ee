"""A real Postgres server for one run: our own child in the foreground, on a socket and on TCP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from crashloop.engines.advice import hint_for
from crashloop.engines.ports import kept_port
from crashloop.engines.process import Process, describe_exit, finish, start
from crashloop.engines.reaper import postgres_backends, remove_shared_memory, send
from crashloop.engines.server import START_BOUND_S, Server
from crashloop.engines.template import DATABASE, ROLE, SUPERUSER, Template, copy_template
from crashloop.engines.workspace import MAX_SOCKET_PATH_BYTES
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.engines.server import Emit
    from crashloop.engines.workspace import Workspace

HOST = "127.0.0.1"
READY = "database system is ready to accept connections"

SETTINGS = {
    "autovacuum": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data directory, so that a kill leaks none
    "fsync": "off",
    "full_page_writes": "off",
    "huge_pages": "off",
    "lc_messages": "C",
    "listen_addresses": HOST,
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": "%m [%p] %e %q%u@%d ",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "shared_buffers": "16MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "wal_level": "minimal",
}


class PostgresServer(Server):
    """A running Postgres.

    `socket_dir` holds its Unix socket; `port` is its TCP port on the loopback.
    """

    source = "database"
    stop_steps = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0))

    def __init__(
        self,
        process: Process,
        emit: Emit,
        *,
        template: Template,
        data_dir: Path,
        socket_dir: Path,
        port: int,
    ) -> None:
        super().__init__(process, emit)
        self.socket_dir = socket_dir
        self.data_dir = data_dir
        self.port = port
        self._template = template

    def app_url(
        self, *, host: str | None = None, port: int | None = None, scheme: str = "postgresql"
    ) -> str:
        """The URL with the app's own credentials.

        `host` and `port` are a proxy's, where given; a `host` that is a path is the folder of a
        Unix socket.
        """
        credentials = f"{ROLE}:{quote(self._template.app_password, safe='')}"
        if host and host.startswith("/"):
            return f"{scheme}://{credentials}@/{DATABASE}?host={host}"
        return f"{scheme}://{credentials}@{host or HOST}:{port or self.port}/{DATABASE}"

    @property
    def control_dsn(self) -> str:
        """The superuser's URL over the Unix socket, without a proxy."""
        password = quote(self._template.superuser_password, safe="")
        folder = quote(str(self.socket_dir), safe="")
        return f"postgresql://{SUPERUSER}:{password}@/{SUPERUSER}?host={folder}&port={self.port}"

    async def stop(self) -> None:
        """Stop it: fast, then immediately, then by SIGKILL; within 5 s, whatever state it is in.

        No process and no shared memory is left.
        """
        await super().stop()
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        """End backends that a killed server left, then free what it could not free itself."""
        for pid in postgres_backends([str(self.data_dir)]):
            send(pid, signal.SIGKILL)
        remove_shared_memory(self.data_dir)


@contextlib.asynccontextmanager
async def postgres(
    workspace: Workspace, template: Template, *, emit: Emit, evidence: Path
) -> AsyncIterator[PostgresServer]:
    """Copy the template, start it, and stop it on leaving, whatever happens in between.

    `emit` gets database.started, database.stopped and database.died. The server's own log is
    written to `evidence`/postgres.log. Raises HarnessError when the server does not start.
    """
    folder = workspace.part("pg", account=workspace.account)
    socket_dir = workspace.part("s", account=workspace.account)
    assert len(f"{socket_dir}/.s.PGSQL.65535.lock") <= MAX_SOCKET_PATH_BYTES
    data_dir = await copy_template(workspace, template, folder)
    log = evidence / "postgres.log"
    with kept_port(HOST) as port:
        settings = SETTINGS | {"port": str(port), "unix_socket_directories": str(socket_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        begun_s = time.monotonic()
        process = start(
            [template.binaries.bin_dir / "postgres", "-D", data_dir, *options],
            workspace=workspace,
            name="Postgres",
            account=workspace.account,
            environment={"LC_ALL": "C"},
            log=log,
            stop_signal=signal.SIGQUIT,
        )
        server = PostgresServer(
            process, emit, template=template, data_dir=data_dir, socket_dir=socket_dir, port=port
        )
        try:
            await _accepts(process, template, log)
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


async def _accepts(process: Process, template: Template, log: Path) -> None:
    """Wait until the server accepts connections; HarnessError with its last words if it ends."""
    try:
        await process.said(READY, deadline_s=START_BOUND_S)
    except HarnessError as error:
        how = describe_exit(process.exited.result()) if process.exited.done() else "still starts"
        raise HarnessError(
            f"Postgres {template.binaries.version} ({template.binaries.bin_dir}) did not start; it "
            f"{how}. Its last lines (all of them: {log}):\n{process.tail()}",
            hint=f"{hint_for(error.message)}. If its files look damaged, remove "
            f"{template.data_dir.parent}: the next run makes it again",
        ) from error

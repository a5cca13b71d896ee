"""A real Postgres server for one run: our own child in the foreground, on a socket and on TCP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from crashloop.engines.advice import hint_for
from crashloop.engines.ports import free_port
from crashloop.engines.process import Process, describe_exit, finish, start, terminate
from crashloop.engines.reaper import postgres_backends, remove_shared_memory, send
from crashloop.engines.template import DATABASE, ROLE, SUPERUSER, Template, copy_template
from crashloop.engines.workspace import MAX_SOCKET_PATH_BYTES
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from crashloop.engines.workspace import Workspace

HOST = "127.0.0.1"
READY = "database system is ready to accept connections"
START_BOUND_S = 20.0
PORT_ATTEMPTS = 5
STOP_STEPS = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0))
IMMEDIATE_STEPS = ((signal.SIGQUIT, 2.0),)

SETTINGS: Mapping[str, str] = {
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


class Emit(Protocol):
    """Where events of an engine go: a kind such as "database.started", and its data."""

    def __call__(self, kind: str, data: dict[str, Any], /) -> None:
        """Record the event; called in the loop, must not block."""


class PostgresServer:
    """A running server; `died` is set when it ends without having been told to.

    `socket_dir` holds its Unix socket; `host` and `port` are its TCP address on the loopback.
    """

    host = HOST

    def __init__(
        self,
        workspace: Workspace,
        template: Template,
        *,
        data_dir: Path,
        socket_dir: Path,
        log: Path,
        settings: Mapping[str, str],
        port: int | None,
        emit: Emit,
    ) -> None:
        self.socket_dir = socket_dir
        self.data_dir = data_dir
        self.log = log
        self.version = template.binaries.version
        self.source = template.binaries.source
        self.died = asyncio.Event()
        self._workspace = workspace
        self._template = template
        self._settings = settings
        self._port = port
        self._emit = emit
        self._process: Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """The id of the server's main process; of the last one when it is stopped."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def port(self) -> int:
        """The TCP port, which stays the same over restarts."""
        assert self._port is not None, "not started"
        return self._port

    def app_url(
        self, *, host: str | None = None, port: int | None = None, scheme: str = "postgresql"
    ) -> str:
        """The URL with the app's own credentials; `host` and `port` of a proxy where given."""
        password = quote(self._template.app_password, safe="")
        return f"{scheme}://{ROLE}:{password}@{host or HOST}:{port or self.port}/{DATABASE}"

    @property
    def control_dsn(self) -> str:
        """The superuser's URL over the Unix socket: past every proxy, gate and toxic."""
        password = quote(self._template.superuser_password, safe="")
        folder = quote(str(self.socket_dir), safe="")
        return f"postgresql://{SUPERUSER}:{password}@/{SUPERUSER}?host={folder}&port={self.port}"

    async def start(self, *, deadline_s: float = START_BOUND_S) -> None:
        """Start the server and wait until it accepts connections.

        A port that was not asked for is chosen anew, up to 5 times, when somebody else has taken
        it. Raises HarnessError with the server's last words when it does not come up.
        """
        assert self._process is None or self._process.exited.done(), "already started"
        chosen = self._port is None
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = self._port or free_port(HOST)
            begun_s = time.monotonic()
            process = self._spawn(port)
            try:
                await process.said(READY, deadline_s=deadline_s)
            except BaseException as error:
                self._stopping = True
                await finish(terminate(process, *IMMEDIATE_STEPS))
                if not isinstance(error, HarnessError):
                    raise
                in_use = "Address already in use" in process.tail()
                if in_use and chosen and attempt < PORT_ATTEMPTS:
                    continue
                raise self._refused(process, port, in_use=in_use, why=error) from error
            self._port = port
            self._emit("database.started", self._facts(time.monotonic() - begun_s))
            return

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Stop the server: fast, then immediate, then SIGKILL; within 5 s, whatever state it is in.

        `steps` replaces the signals and their seconds. No process and no shared memory is left.
        """
        if self._process is None or self._stopping:
            return
        self._stopping = True
        died = self._process.exited.done()
        code = await terminate(self._process, *(steps or STOP_STEPS))
        await asyncio.to_thread(self._clear)
        if not died:
            self._emit("database.stopped", {"pid": self.pid, **_exit_facts(code)})

    async def restart(self, *, deadline_s: float = START_BOUND_S) -> None:
        """Stop at once, as a crash does (SIGQUIT), and come back on the same port and data.

        Also brings back a server that has died. Raises HarnessError when it does not come back.
        """
        await finish(self.stop(*IMMEDIATE_STEPS))
        self.died.clear()
        await self.start(deadline_s=deadline_s)

    def _spawn(self, port: int) -> Process:
        settings = dict(SETTINGS) | dict(self._settings)
        settings |= {"port": str(port), "unix_socket_directories": str(self.socket_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._stopping = False
        self._process = process = start(
            [self._template.binaries.bin_dir / "postgres", "-D", self.data_dir, *options],
            workspace=self._workspace,
            name="Postgres",
            account=self._workspace.account,
            environment={"LC_ALL": "C"},
            log=self.log,
            stop_signal=signal.SIGQUIT,
        )
        process.exited.add_done_callback(lambda exited: self._exited(process, exited.result()))
        return process

    def _exited(self, process: Process, code: int) -> None:
        if self._stopping or process is not self._process:
            return
        self._emit("database.died", {"pid": process.pid, **_exit_facts(code)})
        self.died.set()

    def _facts(self, start_s: float) -> dict[str, Any]:
        return {
            "pid": self.pid,
            "version": self.version,
            "source": self.source,
            "start_s": round(start_s, 4),
            "socket_dir": str(self.socket_dir),
            "port": self.port,
        }

    def _refused(
        self, process: Process, port: int, *, in_use: bool, why: HarnessError
    ) -> HarnessError:
        if in_use:
            return HarnessError(
                f"Postgres cannot listen on {HOST}:{port}: the port is in use",
                hint=f"end what listens there (ss -ltnp 'sport = :{port}') or leave the choice to "
                "crashloop",
            )
        where = self._template.binaries.bin_dir
        ended = describe_exit(process.exited.result())
        return HarnessError(
            f"Postgres {self.version} ({where}) did not start; it {ended}. "
            f"Its last lines (all of them: {self.log}):\n{process.tail()}",
            hint=f"{hint_for(why.message)}. If its files look damaged, remove "
            f"{self._template.data_dir.parent}: the next run makes it again",
        )

    def _clear(self) -> None:
        """End backends that a killed server left, then free what it could not free itself."""
        for pid in postgres_backends([str(self.data_dir)]):
            send(pid, signal.SIGKILL)
        remove_shared_memory(self.data_dir)


def _exit_facts(code: int) -> dict[str, Any]:
    if code >= 0:
        return {"exit_code": code}
    return {"signal": signal.Signals(-code).name}


@contextlib.asynccontextmanager
async def postgres(
    workspace: Workspace,
    template: Template,
    *,
    emit: Emit,
    evidence: Path,
    max_connections: int = 100,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    deadline_s: float = START_BOUND_S,
) -> AsyncIterator[PostgresServer]:
    """Copy the template, start it, and stop it on leaving, whatever happens in between.

    `emit` gets database.started, database.stopped and database.died. The server's own log is
    written to `evidence`/postgres.log. `port` is chosen when None; `settings` are further
    parameters of postgresql.conf. Raises HarnessError when the server does not start.
    """
    folder = workspace.part("pg", account=workspace.account)
    socket_dir = workspace.part("s", account=workspace.account)
    assert len(f"{socket_dir}/.s.PGSQL.65535.lock") <= MAX_SOCKET_PATH_BYTES
    data_dir = await copy_template(workspace, template, folder)
    server = PostgresServer(
        workspace,
        template,
        data_dir=data_dir,
        socket_dir=socket_dir,
        log=evidence / "postgres.log",
        settings={"max_connections": str(max_connections)} | dict(settings or {}),
        port=port,
        emit=emit,
    )
    try:
        await server.start(deadline_s=deadline_s)
        yield server
    finally:
        await finish(server.stop())

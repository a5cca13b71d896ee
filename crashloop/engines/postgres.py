"""A real Postgres server for one run: our own child in the foreground, on a socket and on TCP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncpg

from crashloop.engines import held_recovery, stopping
from crashloop.engines.access import Access, AccessChanges
from crashloop.engines.inspector import Inspector
from crashloop.engines.postgres_log import ErrorLog
from crashloop.engines.postgres_settings import (
    HOST,
    own_settings,
)
from crashloop.engines.postgres_start import CONNECT_BOUND_S, READY, Launch, refusal
from crashloop.engines.process import Process, finish
from crashloop.engines.reaper import postgres_backends, remove_shared_memory, send
from crashloop.engines.server import START_BOUND_S, Server
from crashloop.engines.session import session
from crashloop.engines.session_log import SessionLog
from crashloop.engines.template import DATABASE, ROLE, SUPERUSER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from crashloop.engines.server import Emit
    from crashloop.faults.ports import AccessPart

STANDBY = "entering standby mode"
IMMEDIATE_BOUND_S = 2.0


class PostgresServer(Server):
    """A running Postgres, and what faults may do to it (`crashloop.faults.ports.Database`).

    `socket_dir` holds its Unix socket; `port` is its TCP port on the loopback. `inspector` asks it
    the harness's own questions.
    """

    source = "database"
    stop_steps = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0))

    def __init__(
        self,
        process: Process,
        emit: Emit,
        *,
        launch: Launch,
        settings: Mapping[str, str],
        socket_dir: Path,
        port: int,
    ) -> None:
        template = launch.template
        self.socket_dir = socket_dir
        self.data_dir = launch.data_dir
        self.port = port
        self.inspector = Inspector(self._connect)
        own = Access(role=SUPERUSER, password=template.superuser_password, database=SUPERUSER)
        self._own = own
        self._access = AccessChanges(
            Access(role=ROLE, password=template.app_password, database=DATABASE),
            own,
            opening=self._open,
        )
        self._launch = launch
        self._disk = launch.disk
        self._settings = settings
        self._errors = ErrorLog(emit)
        self._sessions = SessionLog(emit, role=ROLE)
        self._template = template
        super().__init__(process, emit)

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

    def session(self, *, superuser: bool) -> AbstractAsyncContextManager[asyncpg.Connection[Any]]:
        """A new session over the Unix socket; its backend has ended on leaving."""
        return session(self._connect(superuser=superuser))

    def changed_access(
        self, part: AccessPart, *, to: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """While entered, the app's access is another in this part; sessions that are open go on.

        It is `to`, or a random one.
        """
        return self._access.changed(part, to=to)

    @contextlib.asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """While entered, every process of the server is stopped.

        Emits `process.stopped` and `process.continued` with their ids, each once /proc says so.
        Raises CapabilityError where there is no /proc.
        """
        stopping.require_proc()
        async with self.inspector.away(), self._all_stopped(self.data_dir):
            yield

    @contextlib.asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Restart it as a standby that answers 57P03; on leaving it accepts connections again.

        Emits `database.starting` and `database.promoted`, each as the server itself says. All
        sessions end. Raises HarnessError if it does not restart or is not promoted.
        """
        async with self.inspector.away():
            await self._shut()
            self._mark("standby.signal")
            self._follow(self._launch(hot_standby="off"))
            try:
                await self._process.said(STANDBY, deadline_s=START_BOUND_S)
                data = {"pid": self.pid, "sqlstate": await refusal(self._connect())}
                self._emit("database.starting", data)
                yield
            finally:
                await finish(self._promote())

    @contextlib.asynccontextmanager
    async def recovering(self) -> AsyncIterator[None]:
        """Stop it immediately after a write, and start it; until the exit, it does not recover.

        It answers 57P03 meanwhile. Emits `database.recovering` and `database.recovered`, each as
        the server itself says. All sessions end. Raises HarnessError if it does not restart, and
        CapabilityError where there is no /proc.
        """
        stopping.require_proc()
        async with self.inspector.away():
            async with self.session(superuser=True) as own:
                await own.execute(held_recovery.WRITE)
            await self._shut((signal.SIGQUIT, IMMEDIATE_BOUND_S))
            with held_recovery.barred(self.data_dir):
                self._follow(self._launch())
                stopped = await held_recovery.stop(self._process)
            try:
                data = {"pid": self.pid, "stopped": sorted(stopped)}
                self._emit(
                    "database.recovering", {**data, "sqlstate": await refusal(self._connect())}
                )
                yield
            finally:
                await finish(self._recover(stopped))

    @contextlib.asynccontextmanager
    async def full_disk(self) -> AsyncIterator[None]:
        """While entered, the disk with the app's database is full.

        The first time, all sessions end: it restarts with that database on a disk of its own.
        Emits `database.disk_full` and `database.disk_freed`, each as the server itself says.
        Raises CapabilityError where no mount namespace may be made.
        """
        if not self._disk.is_taken:
            await self._take_disk()
        async with self.session(superuser=True) as own, self._disk.full(own) as sqlstate:
            self._emit("database.disk_full", {"sqlstate": sqlstate})
            yield
        self._emit("database.disk_freed", {"pid": self.pid})

    async def stop(self) -> None:
        """Stop it: fast, then immediately, then by SIGKILL; within 5 s, whatever state it is in.

        No process and no shared memory is left.
        """
        is_first = not self._stopped
        await super().stop()
        if is_first:
            self._sessions.report()
        await asyncio.to_thread(self._clear)
        await self.inspector.close()

    def _follow(self, process: Process) -> None:
        super()._follow(process)
        process.listen(self._errors.line)
        self._sessions.restarted()
        process.listen(self._sessions.line)

    async def _connect(self, *, superuser: bool = True) -> asyncpg.Connection[Any]:
        return await self._access.connect(superuser=superuser)

    async def _open(self, access: Access) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            host=str(self.socket_dir),
            port=self.port,
            user=access.role,
            password=access.password,
            database=access.database,
            timeout=CONNECT_BOUND_S,
            server_settings=own_settings(self._settings),
        )

    async def _take_disk(self) -> None:
        async with self.inspector.away():
            await self._shut()
            self._disk.is_taken = True
            self._follow(self._launch())
            await self._process.said(READY, deadline_s=START_BOUND_S)
            async with session(self._open(self._own)) as own:
                await self._disk.take(own, DATABASE)

    async def _shut(self, *steps: tuple[signal.Signals, float]) -> None:
        """End it before it is started again."""
        self._disk.require_not_taken()
        await self.inspector.close()
        await self._end(*steps)
        await asyncio.to_thread(self._clear)

    async def _recover(self, stopped: Mapping[int, str]) -> None:
        await held_recovery.go_on(self._process, stopped)
        self._emit("database.recovered", {"pid": self.pid})

    async def _promote(self) -> None:
        self._mark("promote")
        self._process.signal(signal.SIGUSR1)
        await self._process.said(READY, deadline_s=START_BOUND_S)
        self._emit("database.promoted", {"pid": self.pid})

    def _mark(self, name: str) -> None:
        """Make an empty file in the data directory, for the server to read and remove."""
        path = self.data_dir / name
        path.touch(mode=0o600)
        owner = self.data_dir.stat()
        os.chown(path, owner.st_uid, owner.st_gid)

    def _clear(self) -> None:
        """End backends that a killed server left, then free what it could not free itself."""
        for pid in postgres_backends([str(self.data_dir)]):
            send(pid, signal.SIGKILL)
        remove_shared_memory(self.data_dir)

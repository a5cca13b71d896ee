"""Postgres as a container, the harness's direct access to it, and what faults do to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.engines.access import Access, AccessChanges
from crashloop.engines.docker.capability import POSTGRES, lacking
from crashloop.engines.docker.container_log import ContainerLog
from crashloop.engines.docker.server_container import ServerContainer
from crashloop.engines.docker.threads import blocking
from crashloop.engines.inspector import QUERY_BOUND_S, Inspector
from crashloop.engines.postgres_log import PREFIX
from crashloop.engines.postgres_settings import own_settings, postgres_settings
from crashloop.engines.process import finish
from crashloop.engines.session import session
from crashloop.engines.template import DATABASE, ROLE, SUPERUSER
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.docker.database_errors import DatabaseErrors
    from crashloop.engines.docker.project import Project
    from crashloop.faults.ports import AccessPart
    from crashloop.model import Value
    from crashloop.trace.recorder import Recorder

PORT = 5432
READY_BOUND_S = 60.0
GONE_BOUND_S = 2.0
LOG_BOUND_S = 10.0
ASK_EVERY_S = 0.02

_SETTINGS = {
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": PREFIX,
    "log_timezone": "UTC",
}
# What a client sees before the server has opened its port, or while it is starting up.
_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
)


class Database:
    """The run's Postgres, as the official image runs it: first `start`, then `ready`.

    The app gets a role that owns its database and may do nothing else. `errors` is given every
    line of the server's log.
    """

    def __init__(
        self,
        project: Project,
        image: str,
        *,
        settings: Mapping[str, Value],
        recorder: Recorder,
        errors: DatabaseErrors,
    ) -> None:
        self.app_password = secrets.token_hex(16)
        self.superuser_password = secrets.token_hex(16)
        self.inspector = Inspector(self._connect)
        self._access = AccessChanges(
            Access(role=ROLE, password=self.app_password, database=DATABASE),
            Access(role=SUPERUSER, password=self.superuser_password, database=SUPERUSER),
            opening=self._open,
            has_ended=self._has_ended,
        )
        self._container: ServerContainer
        self._project = project
        self._image = image
        self._settings = _SETTINGS | postgres_settings(settings)
        self._recorder = recorder
        self._errors = errors
        self._mark = ""
        self._marked = asyncio.Event()

    def start(self, network: Any) -> None:
        """Start the container on `network`. Blocking."""
        settings = (("-c", f"{name}={text}") for name, text in self._settings.items())
        container = self._project.container(
            POSTGRES,
            self._image,
            network=network,
            command=["postgres", *(word for pair in settings for word in pair)],
            environment={
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD": self.superuser_password,
                "POSTGRES_DB": DATABASE,
            },
        )
        self._container = ServerContainer(self._project, container, network, role=POSTGRES)

    async def ready(self) -> None:
        """Wait until it answers, and create the app's role."""
        self._follow(since_ns=0)
        await self._answer(is_starting=False)
        async with self.session(superuser=True) as own:
            # The password is hexadecimal digits, and DDL takes no parameters.
            await own.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self.app_password}'")
            await own.execute(f"ALTER DATABASE {DATABASE} OWNER TO {ROLE}")

    async def settle(self) -> None:
        """Wait until every error that the server has logged is recorded."""
        self._mark = f"crashloop-{secrets.token_hex(8)}"
        self._marked.clear()
        try:
            async with asyncio.timeout(LOG_BOUND_S):
                await self.inspector.ask(f"do $$ begin raise log '{self._mark}'; end $$")
                await self._marked.wait()
                await self._errors.settle()
        except TimeoutError:
            raise HarnessError(
                f"Docker did not give the log of Postgres within {LOG_BOUND_S:g} s",
                hint="this run is invalid; see whether the daemon is healthy: docker info",
            ) from None

    async def close(self) -> None:
        """Close the harness's connection; the container is removed with its project."""
        await self._errors.close()
        await self.inspector.close()

    def session(self, *, superuser: bool) -> AbstractAsyncContextManager[asyncpg.Connection[Any]]:
        """A new session without the path; its slot is free again on leaving."""
        return session(self._connect(superuser=superuser), self._has_ended)

    def changed_access(
        self, part: AccessPart, *, to: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """While entered, the app's access is another in this part; sessions that are open go on.

        It is `to`, or a random one.
        """
        return self._access.changed(part, to=to)

    @contextlib.asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """While entered, Docker has paused the container.

        Emits `process.stopped` and `process.continued`, each once Docker says so.
        """
        async with self.inspector.away(), self._container.stopped(self._emit):
            yield

    @contextlib.asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Restart it as a standby that answers 57P03; on leaving it accepts connections again.

        Emits `database.starting` and `database.promoted`, each as the server itself says. All
        sessions end.
        """
        async with self.session(superuser=True) as own:
            await own.execute("ALTER SYSTEM SET hot_standby = off")
        async with self.inspector.away():
            await self.inspector.close()
            await self._run('touch "$PGDATA/standby.signal"')
            self._follow(since_ns=await blocking(self._container.restart))
            try:
                refusal = await self._answer(is_starting=True)
                if not refusal:
                    raise HarnessError(
                        "Postgres accepts sessions, and should refuse them as a standby",
                        hint="see postgres.log in the artifacts",
                    )
                self._emit("database.starting", sqlstate=refusal)
                yield
            finally:
                await finish(self._promote())

    def recovering(self) -> AbstractAsyncContextManager[None]:
        """Not to be had here: raises CapabilityError."""
        raise lacking("recovering")

    def full_disk(self) -> AbstractAsyncContextManager[None]:
        """Not to be had here: raises CapabilityError."""
        raise lacking("disk_full")

    async def _promote(self) -> None:
        await self._run('pg_ctl promote -D "$PGDATA"')
        await self._answer(is_starting=False)
        self._emit("database.promoted")

    async def _answer(self, *, is_starting: bool) -> str:
        """Wait until it accepts a session, or refuses one because it `is_starting`.

        Returns the SQLSTATE of the refusal. HarnessError if neither comes within 60 s.
        """
        until_s = time.monotonic() + READY_BOUND_S
        while True:
            try:
                connection = await self._connect()
            except _NOT_YET as error:
                if is_starting and isinstance(error, asyncpg.CannotConnectNowError):
                    return str(error.sqlstate)
                if time.monotonic() > until_s:
                    raise HarnessError(
                        f"Postgres ({self._image}) did not answer at {self._container.address}:"
                        f"{PORT} within {READY_BOUND_S:g} s: {type(error).__name__}: {error}",
                        hint="see postgres.log in the artifacts",
                    ) from error
                # A server in another network namespace gives no event when it is ready.
                await asyncio.sleep(ASK_EVERY_S)
            else:
                await connection.close(timeout=GONE_BOUND_S)
                return ""

    async def _connect(self, *, superuser: bool = True) -> asyncpg.Connection[Any]:
        return await self._access.connect(superuser=superuser)

    async def _open(self, access: Access) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            host=self._container.address,
            port=PORT,
            user=access.role,
            password=access.password,
            database=access.database,
            timeout=QUERY_BOUND_S,
            server_settings=own_settings(self._settings),
        )

    async def _has_ended(self, pid: int) -> bool:
        found = await self.inspector.ask("select 1 from pg_stat_activity where pid = $1", pid)
        return found is None

    async def _run(self, script: str) -> None:
        await blocking(lambda: self._container.run("sh", "-c", script, user="postgres"))

    def _follow(self, *, since_ns: int) -> None:
        ContainerLog(
            self._project.daemon, self._container.id, since_ns=since_ns, on_line=self._on_line
        )

    def _on_line(self, text: str, at_ns: int) -> None:
        self._errors.line(text, at_ns)
        if self._mark and self._mark in text:
            self._marked.set()

    def _emit(self, kind: str, **data: Any) -> None:
        self._recorder.emit("database", kind, data, target=POSTGRES)

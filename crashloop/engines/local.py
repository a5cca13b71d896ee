"""The local engine: real Postgres, an embedded cache, the fault proxy, and uvicorn processes.

Everything listens on loopback or on Unix sockets in the run's own folder; nothing needs Docker,
root or an account.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg

from crashloop.engines import process
from crashloop.engines.app import AppProcess, app_process
from crashloop.engines.binaries import find_binaries
from crashloop.engines.cache import cache
from crashloop.engines.inspector import inspector
from crashloop.engines.output import AppOutput
from crashloop.engines.ports import kept_port
from crashloop.engines.postgres import postgres
from crashloop.engines.proxy_process import proxy_process
from crashloop.engines.template import DATABASE, ROLE, template
from crashloop.engines.workspace import workspace
from crashloop.errors import CapabilityError, HarnessError
from crashloop.model import Grade, Transport
from crashloop.proxy.address import Address
from crashloop.supervisor.loop import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from crashloop.engines.base import Attempt, Platform, Setup
    from crashloop.engines.cache import CacheServer
    from crashloop.engines.inspector import Inspector
    from crashloop.engines.postgres import PostgresServer
    from crashloop.engines.proxy_process import ProxyProcess
    from crashloop.engines.workspace import Workspace

HOST = "127.0.0.1"
INSTANCE = "lab:local:postgres"  # the shape of Cloud SQL's PROJECT:REGION:INSTANCE
SOCKET = ".s.PGSQL.5432"
PROXY = "db"
BASELINE_TIMEOUT_S = 10.0


class LocalEngine:
    """Runs a scenario on this machine. Created by `open`, which also ends everything.

    `proxy` is between the app and Postgres; the app gets no other address of Postgres.
    """

    name: ClassVar[str] = "local"
    supervisor: ClassVar[type[Supervisor]] = Supervisor

    def __init__(self, setup: Setup, *, space: Workspace, port: int) -> None:
        self._setup = setup
        self._recorder = setup.recorder
        self._space = space
        self._app_address = (HOST, port)
        self._attempts_of_links: dict[str, int | None] = {}
        self._children: list[AppProcess] = []
        self._starts: list[tuple[int, int]] = []
        self.proxy: ProxyProcess
        self._server: PostgresServer
        self._cache: CacheServer
        self._inspector: Inspector

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here; `kernel`: SYN_SENT receipts from Linux's /proc."""
        linux = ("kernel",) if sys.platform == "linux" else ()
        return ("postgres", "cache", "unix", "tcp", *linux)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, setup: Setup) -> AsyncIterator[LocalEngine]:
        """Start database, cache and proxy; end everything on leaving, attempts included."""
        if any(f.grade is Grade.KERNEL for f in setup.scenario.faults):
            _require_kernel()
        begun_ns = time.monotonic_ns()
        async with contextlib.AsyncExitStack() as stack:
            space = stack.enter_context(workspace())
            setup.recorder.emit("harness", "workspace.made", {"folder": str(space.path)})
            engine = cls(setup, space=space, port=stack.enter_context(kept_port(HOST)))
            await engine._start_servers(stack)
            stack.push_async_callback(engine._stop_attempts)
            setup.recorder.emit(
                "harness",
                "lab.ready",
                {
                    "database_address": str(engine.proxy.address),
                    "app_address": f"{HOST}:{engine._app_address[1]}",
                    "took_s": round((time.monotonic_ns() - begun_ns) / 1e9, 4),
                },
            )
            yield engine

    async def baseline(self) -> None:
        """Prove the path before any fault: the harness's own query, through the proxy, as the app.

        Emits `baseline.passed` with the proxy's link and how many of the app's sessions Postgres
        showed meanwhile; HarnessError if it does not work.
        """
        before = set(self._attempts_of_links)
        url = self._database_url("postgresql")
        try:
            connection = await asyncpg.connect(url, timeout=BASELINE_TIMEOUT_S)
            try:
                value = await connection.fetchval("select 1", timeout=BASELINE_TIMEOUT_S)
                sessions = await self._inspector.sessions(ROLE)
            finally:
                await connection.close(timeout=BASELINE_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise HarnessError(
                f"the path to Postgres did not work before any fault: "
                f"{type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error
        assert value == 1
        await self.proxy.settle()
        links = sorted(set(self._attempts_of_links) - before)
        data = {"link": links[0] if links else None, "query": "select 1", "sessions": sessions}
        self._recorder.emit("harness", "baseline.passed", data)

    def platform(self, on_attempt: Callable[[Attempt], None]) -> Platform:
        """Our own supervisor, which starts the app as a child each time."""

        async def start(attempt: int) -> AppProcess:
            app = await self.start_app(attempt)
            on_attempt(app)
            return app

        return self.supervisor(
            policy=self._setup.scenario.policy,
            scale=self._setup.scale,
            recorder=self._recorder,
            start=start,
        )

    async def start_app(self, attempt: int) -> AppProcess:
        """Start one attempt: a real uvicorn in a process of its own."""
        self._starts.append((time.monotonic_ns(), attempt))
        started = app_process(
            self._setup.scenario.app,
            space=self._space,
            attempt=attempt,
            address=self._app_address,
            environment={
                **self._setup.timers(),
                "APP_DATABASE_URL": self._database_url(),
                "APP_CACHE_URL": self._cache.url,
                "APP_JITTER_SEED": str(self._setup.seed + attempt),
            },
            output=AppOutput(
                self._recorder,
                attempt=attempt,
                path=self._setup.artifacts / f"attempt-{attempt}.log",
            ),
        )
        self._children.append(started)
        await self.proxy.watch(child.pid for child in self._children if not child.ended.is_set())
        return started

    async def count_backends(self, attempt: int) -> None:
        """Count what an ended attempt left in Postgres; emits `database.backends`."""
        await self._inspector.count_left(ROLE, attempt, self._recorder)

    async def read_row(self, key: str) -> dict[str, Any] | None:
        """The stored chat message with this key, read directly from Postgres."""
        return await self._inspector.message(key)

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError as soon as Postgres, cache or proxy dies on its own."""
        servers = {
            "Postgres died": self._server.died,
            f"the cache ({self._cache.kind}) died": self._cache.died,
            "the fault proxy": self.proxy.died,
        }
        waits = [asyncio.create_task(died.wait()) for died in servers.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            who = next(name for name, died in servers.items() if died.is_set())
            how = f" {self.proxy.why}" if self.proxy.died.is_set() else ""
            raise HarnessError(
                f"{who}{how} in the middle of the run",
                hint="this run is invalid; see its log in the artifacts and run again",
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _start_servers(self, stack: contextlib.AsyncExitStack) -> None:
        async with asyncio.TaskGroup() as group:
            database = group.create_task(self._start_database(stack))
            store = group.create_task(
                stack.enter_async_context(
                    cache(
                        self._space,
                        emit=partial(self._recorder.emit, "cache"),
                        evidence=self._setup.artifacts,
                    )
                )
            )
            fault_proxy = group.create_task(self._start_proxy(stack))
        self._server, self._cache = database.result(), store.result()
        self.proxy = fault_proxy.result()
        connection = await asyncpg.connect(
            self._server.control_dsn, database=DATABASE, timeout=BASELINE_TIMEOUT_S
        )
        self._inspector = await stack.enter_async_context(inspector(connection))
        await self._put_proxy_in_between()

    async def _start_database(self, stack: contextlib.AsyncExitStack) -> PostgresServer:
        binaries = await asyncio.to_thread(find_binaries, self._setup.postgres_bin)
        source = await template(self._space, binaries)
        for secret in (source.app_password, source.superuser_password):
            self._recorder.redactor.add(secret)
        return await stack.enter_async_context(
            postgres(
                self._space,
                source,
                emit=partial(self._recorder.emit, "database"),
                evidence=self._setup.artifacts,
            )
        )

    async def _start_proxy(self, stack: contextlib.AsyncExitStack) -> ProxyProcess:
        return await stack.enter_async_context(
            proxy_process(self._space, name=PROXY, seed=self._setup.seed, emit=self._on_proxy_event)
        )

    async def _put_proxy_in_between(self) -> None:
        """Put the proxy between the app's path and Postgres."""
        if self._setup.scenario.transport is Transport.UNIX:
            folder = self._space.part("cloudsql") / INSTANCE
            folder.mkdir(mode=0o700)
            listen = Address(path=str(folder / SOCKET))
            real = self._server.socket_dir / f".s.PGSQL.{self._server.port}"
            upstream = Address(path=str(real))
        else:
            listen = Address(host=HOST, port=0)
            upstream = Address(host=HOST, port=self._server.port)
        await self.proxy.listen(listen, upstream)

    async def _stop_attempts(self) -> None:
        for child in self._children:
            await process.finish(child.stop())

    def _on_proxy_event(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        """Give a proxy event its attempt: the one that was running when its link was opened."""
        begun = [attempt for started_ns, attempt in self._starts if started_ns <= mono_ns]
        attempt = begun[-1] if begun else None
        link = data.get("link")
        if isinstance(link, str):
            attempt = self._attempts_of_links.setdefault(link, attempt)
        self._recorder.emit("proxy", kind, data, attempt=attempt, mono_ns=mono_ns)

    def _database_url(self, scheme: str = "postgresql+asyncpg") -> str:
        """The URL of the proxy with the app's own credentials, as SQLAlchemy reads it."""
        address = self.proxy.address
        host = str(Path(address.path).parent) if address.path else address.host
        return self._server.app_url(scheme=scheme, host=host, port=address.port)


def _require_kernel() -> None:
    if sys.platform != "linux":
        raise CapabilityError(
            f"this fault needs receipts from Linux's /proc/net/tcp, and this is {sys.platform}",
            hint="use fault=hold or fault=refuse, or run it on Linux",
        )

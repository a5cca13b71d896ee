"""The local engine: real Postgres, an embedded cache, the fault proxy, and the app's processes.

Everything listens on loopback or on Unix sockets in the run's own folder; nothing needs Docker,
root or an account.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.clock import NS_PER_S
from crashloop.engines.app import describe
from crashloop.engines.dependency import KINDS, PostgresDependency
from crashloop.engines.links import Links
from crashloop.engines.lives import Lives
from crashloop.engines.local_ports import LocalPorts
from crashloop.engines.names import Names
from crashloop.engines.ports import HOST, kept_port
from crashloop.engines.possible import require_possible
from crashloop.engines.proxy_process import proxy_process
from crashloop.engines.revisions import OldRevision
from crashloop.engines.sessions import count, count_left
from crashloop.engines.workspace import workspace
from crashloop.errors import HarnessError, UsageError
from crashloop.supervisor.replicas import Supervisor
from crashloop.trace.event import NO_BASELINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from crashloop.engines.app import AppProcess
    from crashloop.engines.base import Attempt, ReplicaSet, Setup
    from crashloop.engines.dependency import LocalDependency
    from crashloop.engines.pgbouncer import Pooler
    from crashloop.engines.proxy_process import ProxyProcess
    from crashloop.engines.server import Server
    from crashloop.engines.sessions import Count
    from crashloop.engines.workspace import Workspace
    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest, Life, Scenario
    from crashloop.supervisor.life import BeforeRestart


class LocalEngine:
    """Runs a scenario on this machine. Created by `open`, which also ends everything.

    Of each dependency, the app gets the address of its path through `proxy` and no other.
    """

    name: ClassVar[str] = "local"
    supervisor: ClassVar[type[Supervisor]] = Supervisor

    def __init__(self, setup: Setup, *, space: Workspace) -> None:
        self._setup = setup
        self._recorder = setup.recorder
        self._space = space
        pooled = [each.name for each in setup.scenario.dependencies if each.pooler]
        self._links = Links(setup.recorder, pooled=pooled)
        self._dependencies: dict[str, LocalDependency] = {}
        self._lives: Lives
        self._replicas: Supervisor
        self._on_attempt: Callable[[Attempt], None]
        self.proxy: ProxyProcess
        self.ports: Ports

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here; `kernel`: SYN_SENT receipts from Linux's /proc."""
        linux = ("kernel",) if sys.platform == "linux" else ()
        return ("postgres", "redis", "unix", "tcp", "replicas", "probes", *linux)

    @classmethod
    def require_possible(cls, scenario: Scenario) -> None:
        """Raise CapabilityError for what this machine lacks; starts nothing."""
        require_possible(scenario)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, setup: Setup) -> AsyncIterator[LocalEngine]:
        """Start dependencies and proxy; end everything on leaving, lives included."""
        cls.require_possible(setup.scenario)
        begun_ns = time.monotonic_ns()
        async with contextlib.AsyncExitStack() as stack:
            space = stack.enter_context(workspace())
            setup.recorder.emit("harness", "workspace.made", {"folder": str(space.path)})
            engine = cls(setup, space=space)
            stack.callback(engine._links.settled)
            await engine._start(stack)
            replicas = setup.scenario.replicas
            numbers = range(1, replicas.count + replicas.overlap + 1)
            ports = {number: stack.enter_context(kept_port(HOST)) for number in numbers}
            engine._lives = Lives(
                setup,
                space=space,
                proxy=engine.proxy,
                links=engine._links,
                ports=ports,
                values=engine._values(),
            )
            names = Names(
                {each.name: each.host for each in setup.scenario.dependencies if each.host},
                space=space,
                lives=engine._lives,
                links=engine._links,
            )
            stack.push_async_callback(names.stop)
            stack.push_async_callback(engine._lives.stop)
            engine.ports = LocalPorts(
                links=engine._links,
                proxy=engine.proxy,
                servers=engine._servers(),
                poolers=engine._poolers(),
                revisions=OldRevision(
                    setup.scenario,
                    recorder=setup.recorder,
                    supervisor=lambda: engine._replicas,
                    start=engine._start_life,
                    sessions=partial(engine._sessions, count),
                    without_sessions=engine._require_no_sessions,
                ),
                lives=engine._lives,
                names=names,
            )
            addresses = {name: str(path.address) for name, path in engine.proxy.paths.items()}
            setup.recorder.emit(
                "harness",
                "lab.ready",
                {
                    "addresses": addresses,
                    "app_addresses": {str(number): f"{HOST}:{p}" for number, p in ports.items()},
                    "took_s": round((time.monotonic_ns() - begun_ns) / NS_PER_S, 4),
                },
            )
            yield engine

    async def set_up(self, *, within_s: float) -> int | None:
        """Run the app's `setup` to its end, as the app runs; its exit status, None if too late."""
        return await self._lives.set_up(self._setup.scenario.app, within_s=within_s)

    async def start_life(self, life: Life) -> AppProcess:
        """Start one life of the app that no platform runs."""
        return await self._lives.start(life, self._setup.scenario.app)

    async def baseline(self) -> None:
        """Prove each path before any fault by using it as the app would.

        Then emits `baseline.passed` for each dependency, with its link, and `baseline.not_needed`
        if there is none. HarnessError if one fails.
        """
        if not self._dependencies:
            self._recorder.emit("harness", NO_BASELINE, {})
        passed: dict[str, dict[str, Any]] = {}
        for target, dependency in self._dependencies.items():
            before = self._links.opened()
            data = await dependency.baseline(self.proxy.path(target).address)
            await self._settle()
            links = sorted(self._links.opened() - before)
            passed[target] = {"link": links[0] if links else None, **data}
        for target, data in passed.items():  # a fault may begin as soon as one has passed
            self._recorder.emit("harness", "baseline.passed", data, target=target)

    def replica_set(
        self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
    ) -> ReplicaSet:
        """Our own supervisor, which starts the app's lives as children on the platform."""
        scenario = self._setup.scenario
        self._on_attempt = on_attempt
        self._replicas = self.supervisor(
            platform=scenario.platform,
            replicas=scenario.replicas,
            scale=self._setup.scale,
            recorder=self._recorder,
            start=partial(self._start_life, scenario.app),
            seed=self._setup.seed,
            run_command=self._lives.run_command,
            before_restart=before_restart,
        )
        return self._replicas

    async def count_sessions(self, life: Life) -> None:
        """Count what an ended life left in each Postgres, by the addresses of its links.

        Emits `database.backends` for each.
        """
        for target, left in (await self._sessions(count_left, life)).items():
            data = {"count": left}
            self._recorder.emit("database", "database.backends", data, life=life, target=target)

    async def query(self, target: str, sql: str) -> Any:
        """The one value of a query, asked directly as superuser; None if there is no row or table.

        Waits while a planned fault stops the database.
        """
        found = dict(self._databases()).get(target)
        if found is None:
            raise UsageError(
                f"{target!r} is not a Postgres, so it cannot be asked {sql!r}",
                hint=f"Postgres here: {', '.join(n for n, _ in self._databases()) or 'none'}",
            )
        return await found.server.inspector.ask(sql)

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError as soon as a dependency or the proxy dies on its own."""
        waits = {
            asyncio.create_task(server.died.wait()): f"{title} died"
            for title, server in self._titled()
        }
        proxy = asyncio.create_task(self.proxy.died.wait())
        try:
            done, _ = await asyncio.wait({*waits, proxy}, return_when=asyncio.FIRST_COMPLETED)
            who = [waits[each] for each in done if each in waits]
            what = who[0] if who else f"the fault proxy {self.proxy.why}"
            raise HarnessError(
                f"{what} in the middle of the run",
                hint="this run is invalid; see its log in the artifacts and run again",
            )
        finally:
            for wait in (*waits, proxy):
                wait.cancel()

    async def _start_life(self, app: AppUnderTest, life: Life) -> AppProcess:
        started = await self._lives.start(life, app)
        self._on_attempt(started)
        return started

    async def _sessions(self, count: Count, life: Life) -> dict[str, int]:
        """A life's sessions in each Postgres, counted by `count`."""
        await self._settle()
        return {
            target: await count(postgres.server.inspector, self._links.clients(life, target))
            for target, postgres in self._databases()
            if postgres.pooler is None  # its sessions are the pooler's, and not a life's
        }

    async def _settle(self) -> None:
        await self.proxy.settle()
        self._links.settled()

    async def _require_no_sessions(self, life: Life) -> None:
        if sum((await self._sessions(count_left, life)).values()):
            raise HarnessError(
                f"{describe(life)} has ended, and its sessions are still in Postgres",
                hint="this run is invalid; run it again on a less busy machine",
            )

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start the dependencies and the proxy at once, and put the proxy in between."""
        setup = self._setup
        async with asyncio.TaskGroup() as group:
            starting = {
                planned.name: group.create_task(
                    stack.enter_async_context(
                        KINDS[planned.kind](planned, setup, self._space, self._links)
                    )
                )
                for planned in setup.scenario.dependencies
            }
            fault_proxy = group.create_task(self._start_proxy(stack))
        self.proxy = fault_proxy.result()
        for target, started in starting.items():
            dependency = self._dependencies[target] = started.result()
            await self.proxy.listen(target, dependency.listen, dependency.upstream)

    async def _start_proxy(self, stack: contextlib.AsyncExitStack) -> ProxyProcess:
        return await stack.enter_async_context(
            proxy_process(self._space, seed=self._setup.seed, emit=self._links.record)
        )

    def _values(self) -> dict[str, str]:
        """The dependencies' placeholders of templates, with the addresses of their paths."""
        found: dict[str, str] = {}
        for target, dependency in self._dependencies.items():
            found |= dependency.values(self.proxy.path(target).address)
        return found

    def _servers(self) -> dict[str, Server]:
        found = self._dependencies.items()
        return {name: each.server for name, each in found if each.server is not None}

    def _titled(self) -> Iterator[tuple[str, Server]]:
        for name, server in self._servers().items():
            yield self._dependencies[name].title, server
        for pooler in self._poolers().values():
            yield "PgBouncer", pooler

    def _poolers(self) -> dict[str, Pooler]:
        found = self._databases()
        return {name: each.pooler for name, each in found if each.pooler is not None}

    def _databases(self) -> list[tuple[str, PostgresDependency]]:
        found = self._dependencies.items()
        return [(name, each) for name, each in found if isinstance(each, PostgresDependency)]

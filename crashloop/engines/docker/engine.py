"""The Docker engine: the same scenario in containers, restarted by Docker itself or by us.

The app reaches Postgres as on Cloud Run: by a Unix socket on a shared volume. Behind the socket are
our own proxy as the side-car, then Toxiproxy, then Postgres. Over TCP the app connects to Toxiproxy
directly. Where a scenario wants a pooler, PgBouncer is between Toxiproxy and Postgres. Redis is
behind the side-car. The servers are on a network of their own, so there is no other path to them.
No port is published: the harness reaches the containers at their own addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.clock import NS_PER_S
from crashloop.engines import sessions
from crashloop.engines.docker.capability import (
    ENGINE_CAPABILITIES,
    POSTGRES,
    require_possible,
)
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.events import Events
from crashloop.engines.docker.images import Images, built_from, of_scenario, ready
from crashloop.engines.docker.path_events import PathEvents
from crashloop.engines.docker.ports import DockerPorts
from crashloop.engines.docker.project import Project
from crashloop.engines.docker.quotas import Quotas
from crashloop.engines.docker.replicas import Replicas
from crashloop.engines.docker.servers import Servers
from crashloop.engines.docker.threads import blocking, in_loop
from crashloop.engines.docker.watchdog import Watchdog
from crashloop.engines.revisions import OldRevision
from crashloop.errors import HarnessError, UsageError
from crashloop.model import CONTROL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from crashloop.engines.base import Attempt, ReplicaSet, Setup
    from crashloop.engines.docker.container import ContainerLife
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.faults.ports import Ports
    from crashloop.model import Life, Scenario
    from crashloop.supervisor.life import BeforeRestart


class DockerEngine:
    """What a scenario runs on in Docker. Created by `open`, which also removes all of it."""

    name: ClassVar[str] = "docker"

    def __init__(self, setup: Setup, *, project: Project, images: Images) -> None:
        self._setup = setup
        self._recorder = setup.recorder
        self._project = project
        self._replicas = Replicas(project, images.app_image, setup)
        self._quotas = Quotas(project.daemon, self._replicas, setup.recorder)
        self._events = PathEvents(
            setup.scenario.dependency(POSTGRES).transport,
            setup.recorder,
            lambda: self._replicas.lives,
            several=setup.scenario.replicas.several,
        )
        self._servers = Servers(
            project,
            images,
            setup,
            events=self._events,
            create_app=self._replicas.create,
        )
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending = False
        database = self._servers.database
        for secret in (database.app_password, database.superuser_password):
            setup.recorder.redactor.add(secret)

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here; `docker` is Docker's own restart policy."""
        return ENGINE_CAPABILITIES

    @classmethod
    def require_possible(cls, scenario: Scenario) -> None:
        """Raise CapabilityError for a dependency or a fault that this engine does not have."""
        require_possible(scenario)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, setup: Setup) -> AsyncIterator[DockerEngine]:
        """Start everything but the app; on leaving, save the logs and remove everything."""
        recorder = setup.recorder
        require_possible(setup.scenario)
        begun_ns = time.monotonic_ns()
        loop = asyncio.get_running_loop()

        def say(what: str) -> None:
            in_loop(loop, recorder.emit, "harness", "image.missing", {"what": what})

        async with contextlib.AsyncExitStack() as stack:
            wanted = Images.from_environment()
            daemon = await blocking(connect)
            stack.callback(daemon.close)
            app = setup.scenario.app
            if app.build and not wanted.app_image:
                tag = await blocking(partial(built_from, daemon, app, say=say))
                wanted = dataclasses.replace(wanted, app_image=tag)
            wanted = of_scenario(wanted, setup.scenario)
            images = await asyncio.to_thread(ready, daemon, wanted, say=say)
            project = Project(daemon, secrets.token_hex(6))
            stack.enter_context(Watchdog(project.run_id))
            engine = cls(setup, project=project, images=images)
            stack.push_async_exit(engine._end)
            await engine._start(stack)
            addresses = engine._servers.paths.addresses
            recorder.emit(
                "harness",
                "lab.ready",
                {
                    "addresses": {target: str(address) for target, address in addresses.items()},
                    "run": project.run_id,
                    "daemon": dataclasses.asdict(daemon.facts),
                    "images": images.in_use(),
                    "took_s": round((time.monotonic_ns() - begun_ns) / NS_PER_S, 4),
                },
            )
            yield engine

    @property
    def ports(self) -> Ports:
        """What faults act on."""
        return DockerPorts(
            self._servers,
            recorder=self._recorder,
            events=self._events,
            quotas=self._quotas,
            revisions=OldRevision(
                self._setup.scenario,
                recorder=self._recorder,
                start=self._replicas.start,
                supervisor=lambda: self._replicas.supervisor,
                sessions=partial(self._sessions, sessions.count),
                without_sessions=self._require_no_sessions,
            ),
        )

    async def set_up(self, *, within_s: float) -> int | None:
        """Run the app's `setup` to its end, as the app runs; its exit status, None if too late."""
        return await self._replicas.set_up(within_s=within_s)

    async def start_life(self, life: Life) -> ContainerLife:
        """Start one life of the app that no platform runs."""
        assert life == CONTROL, "every other life is started by a platform"
        return await self._replicas.start_control()

    async def baseline(self) -> None:
        """Prove each path before any fault by using it as the app will."""
        await self._servers.baseline()

    def replica_set(
        self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
    ) -> ReplicaSet:
        """Docker's own restart policy on the platform `docker`, else our own supervisor."""
        return self._replicas.run_by_platform(on_attempt, before_restart)

    async def count_sessions(self, life: Life) -> None:
        """Count what an ended life left in Postgres, by the addresses of its links."""
        for target, left in (await self._sessions(sessions.count_left, life)).items():
            data = {"count": left}
            self._recorder.emit("database", "database.backends", data, life=life, target=target)

    async def query(self, target: str, sql: str) -> Any:
        """The one value of a query, asked directly as superuser; None if there is no row or table.

        Waits while a planned fault stops the database.
        """
        if target != POSTGRES:
            raise UsageError(f"{target!r} is not a Postgres, so it cannot be asked {sql!r}")
        return await self._servers.database.inspector.ask(sql)

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError when a container fails or somebody else changes one."""
        sidecar = self._servers.paths.sidecar
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(sidecar.died.wait())
            watching.add_done_callback(
                lambda _: self._break(f"the side-car's proxy {sidecar.why} during the run")
            )
            await self._broken

    async def _sessions(self, count: sessions.Count, life: Life) -> dict[str, int]:
        """A life's sessions in Postgres, counted by `count`; a pooler's are not a life's."""
        await self._servers.settle()
        if self._servers.pooler is not None:
            return {}
        inspector = self._servers.database.inspector
        return {POSTGRES: await count(inspector, self._events.clients(life))}

    async def _require_no_sessions(self, life: Life) -> None:
        if sum((await self._sessions(sessions.count_left, life)).values()):
            raise HarnessError(
                f"replica {life.replica} of the old revision has ended, and its sessions are "
                "still in Postgres",
                hint="this run is invalid; run it again on a less busy machine",
            )

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Read Docker's events before the first container exists; start all but the app."""
        stack.push_async_callback(self._servers.close)
        project = self._project
        events = await blocking(Events, project.daemon, project.run_id)
        stack.callback(events.close)
        events.follow(self._on_event, self._on_events_end)
        await self._unless_broken(self._servers.start())
        stack.push_async_exit(self._settle)

    async def _unless_broken(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`; cancel it when the lab breaks meanwhile."""
        starting = asyncio.ensure_future(work)
        try:
            await asyncio.wait({starting, self._broken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
        if self._broken.done() and (starting.cancelled() or starting.exception()):
            self._broken.result()
        starting.result()

    async def _settle(self, kind: type[BaseException] | None, *_: object) -> None:
        """At the end of a run that succeeded, wait for the last observations on the path."""
        if kind is None:
            await self._servers.settle()
            await self._servers.database.settle()

    async def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Save the logs, then remove everything. An earlier error is raised before one of these."""
        self._ending = True
        self._servers.paths.sidecar.stopping()
        try:
            self._replicas.close()
            lines = await blocking(
                self._project.save, self._setup.artifacts, self._recorder.redactor
            )
            self._replicas.count_lines(lines)
        except (HarnessError, OSError):
            if kind is None:
                raise
        finally:
            self._events.closed = True
            await blocking(self._project.remove)

    def _on_event(self, event: ContainerEvent) -> None:
        is_app = event.role in self._replicas.roles
        if is_app and event.action in {"start", "die"}:
            self._replicas.take(event)
        else:
            data = {
                "role": event.role,
                "container": event.container[:12],
                "exit_code": event.exit_code,
                "time_ns": event.time_ns,
            }
            kind = f"container.{event.action}"
            self._recorder.emit("platform", kind, data, mono_ns=event.mono_ns)
        if event.action == "oom":
            self._quotas.exceeded(event)
        if not self._ending and (what := self._project.interference.what(event, is_app=is_app)):
            self._break(f"the container {event.role} {what} during the run")

    def _on_events_end(self, why: str) -> None:
        if not self._ending:
            self._break(f"Docker's event stream ended during the run: {why}")

    def _break(self, why: str) -> None:
        if not self._broken.done():
            hint = "this run is invalid; see its log in the artifacts and run again"
            self._broken.set_exception(HarnessError(why, hint=hint))
            self._broken.exception()  # retrieved, as nobody may await it any more

"""The Docker engine: the same scenario in containers, restarted by Docker itself.

The app reaches Postgres as on Cloud Run: by a Unix socket on a shared volume. Behind the socket are
our own proxy as the side-car, then Toxiproxy, then Postgres. Over TCP the app connects to Toxiproxy
directly. Postgres is on a network of its own, so there is no other path to it. No port is
published: the harness reaches the containers at their own addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import time
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.clock import NS_PER_S
from crashloop.engines.docker import app_container as app
from crashloop.engines.docker.capability import ENGINE_CAPABILITIES, require_possible
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.events import Events
from crashloop.engines.docker.images import Images, ready
from crashloop.engines.docker.path_events import PathEvents
from crashloop.engines.docker.platform import DockerPlatform
from crashloop.engines.docker.project import MAX_LOG_LINES, Project
from crashloop.engines.docker.servers import Servers
from crashloop.engines.docker.threads import blocking, in_loop
from crashloop.engines.docker.watchdog import Watchdog
from crashloop.engines.template import ROLE
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from crashloop.engines.base import Attempt, Platform, Setup
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.platform import ContainerAttempt
    from crashloop.faults.injector import Injector

_INTERFERENCE = {
    "destroy": "was removed by somebody else",
    "kill": "was sent a signal by somebody else",
    "pause": "was paused by somebody else",
}


class DockerEngine:
    """What a scenario runs on in Docker. Created by `open`, which also removes all of it."""

    name: ClassVar[str] = "docker"

    def __init__(self, setup: Setup, *, project: Project, images: Images) -> None:
        self.proxy: Injector
        self._setup = setup
        self._recorder = setup.recorder
        self._project = project
        self._events = PathEvents(setup.scenario.transport, setup.recorder, self._attempts)
        self._servers = Servers(
            project, images, setup.scenario, seed=setup.seed, events=self._events
        )
        self._platform: DockerPlatform | None = None
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
            images = await asyncio.to_thread(ready, daemon, wanted, say=say)
            project = Project(daemon, secrets.token_hex(6))
            stack.enter_context(Watchdog(project.run_id))
            engine = cls(setup, project=project, images=images)
            stack.push_async_exit(engine._end)
            await engine._start(stack)
            recorder.emit(
                "harness",
                "lab.ready",
                {
                    "database_address": str(engine._servers.path.address),
                    "run": project.run_id,
                    "daemon": dataclasses.asdict(daemon.facts),
                    "images": images.in_use(),
                    "took_s": round((time.monotonic_ns() - begun_ns) / NS_PER_S, 4),
                },
            )
            yield engine

    async def baseline(self) -> None:
        """Prove the path before any fault: a query from the side-car, as the app will make it."""
        before = set(self._events.links)
        inspector = self._servers.inspector
        sessions = await self._servers.path.query(
            self._servers.database, meanwhile=lambda: inspector.sessions(ROLE)
        )
        await self._servers.settle()
        links = sorted(set(self._events.links) - before)
        data = {"link": links[-1] if links else None, "query": "select 1", "sessions": sessions}
        self._recorder.emit("harness", "baseline.passed", data)

    def platform(self, on_attempt: Callable[[Attempt], None]) -> Platform:
        """Docker's own restart policy."""
        self._platform = DockerPlatform(
            daemon=self._project.daemon,
            container=self._servers.app_id,
            port=app.PORT,
            policy=self._setup.scenario.policy,
            recorder=self._recorder,
            artifacts=self._setup.artifacts,
            on_attempt=on_attempt,
        )
        return self._platform

    async def count_backends(self, attempt: int) -> None:
        """Count what an ended attempt left in Postgres; emits `database.backends`."""
        await self._servers.inspector.count_left(ROLE, attempt, self._recorder)

    async def read_row(self, key: str) -> dict[str, Any] | None:
        """The stored chat message with this key, read directly from Postgres."""
        return await self._servers.inspector.message(key)

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError when a container fails or somebody else changes one."""
        sidecar = self._servers.path.sidecar
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(sidecar.died.wait())
            watching.add_done_callback(
                lambda _: self._break(f"the side-car's proxy {sidecar.why} during the run")
            )
            await self._broken

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Read Docker's events before the first container exists; start all but the app."""
        stack.callback(self._servers.close)
        project = self._project
        events = await blocking(Events, project.daemon, project.run_id)
        stack.callback(events.close)
        events.follow(self._on_event, self._on_events_end)
        await self._unless_broken(self._servers.start(self._setup.timers()))
        self.proxy = self._servers.injector
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

    async def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Save the logs, then remove everything. An earlier error is raised before one of these."""
        self._ending = True
        self._servers.path.sidecar.stopping()
        try:
            if self._platform is not None:
                self._platform.close()
            lines = await blocking(
                self._project.save, self._setup.artifacts, self._recorder.redactor
            )
            self._count_lines(lines.get(app.ROLE_NAME, 0))
        except (HarnessError, OSError):
            if kind is None:
                raise
        finally:
            self._events.closed = True
            await blocking(self._project.remove)

    def _count_lines(self, whole: int) -> None:
        """Emit `app.truncated` if the attempts' logs lack lines of the container's log."""
        received = sum(each.log.lines for each in self._attempts())
        if received < whole <= MAX_LOG_LINES:
            why = f"Docker's log has {whole} lines, of which {received} were received"
            self._recorder.emit("app", "app.truncated", {"why": why}, attempt=len(self._attempts()))

    def _on_event(self, event: ContainerEvent) -> None:
        if event.role == app.ROLE_NAME and event.action in {"start", "die"}:
            if self._platform is not None:
                self._platform.take(event)
        else:
            data = {
                "role": event.role,
                "container": event.container[:12],
                "exit_code": event.exit_code,
                "time_ns": event.time_ns,
            }
            kind = f"container.{event.action}"
            self._recorder.emit("platform", kind, data, mono_ns=event.mono_ns)
        if not self._ending and (what := self._interference(event)):
            self._break(f"the container {event.role} {what} during the run")

    def _interference(self, event: ContainerEvent) -> str:
        """What somebody else did to a container, or how a server died; empty for any other event.

        Docker's restarts send no signal, and our own stop of the app is known.
        """
        is_app = event.role == app.ROLE_NAME
        if is_app and self._platform is not None and self._platform.is_stopping:
            return ""
        if event.action == "die" and not is_app:
            return "died"
        return _INTERFERENCE.get(event.action, "")

    def _on_events_end(self, why: str) -> None:
        if not self._ending:
            self._break(f"Docker's event stream ended during the run: {why}")

    def _break(self, why: str) -> None:
        if not self._broken.done():
            hint = "this run is invalid; see its log in the artifacts and run again"
            self._broken.set_exception(HarnessError(why, hint=hint))
            self._broken.exception()  # retrieved, as nobody may await it any more

    def _attempts(self) -> list[ContainerAttempt]:
        return self._platform.attempts if self._platform is not None else []

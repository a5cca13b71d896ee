"""The Docker engine: the same scenario in containers, restarted by Docker itself.

The app reaches Postgres as on Cloud Run: by a Unix socket on a shared volume, behind which our own
proxy stands as the side-car, then Toxiproxy, then Postgres; over TCP it goes straight to Toxiproxy.
Postgres is on a network of its own, so that there is no other way. No port is published: the
harness reaches the containers at their own addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from crashloop.clock import NS_PER_S
from crashloop.engines.docker import app_container as app
from crashloop.engines.docker import evidence, ryuk
from crashloop.engines.docker.capability import ENGINE_CAPABILITIES, makers, require_possible
from crashloop.engines.docker.daemon import connect, require_reachable
from crashloop.engines.docker.database import Database
from crashloop.engines.docker.events import Events
from crashloop.engines.docker.faults import Faults
from crashloop.engines.docker.images import ready
from crashloop.engines.docker.path import PORT, PROXY, DatabasePath
from crashloop.engines.docker.path_events import PathEvents
from crashloop.engines.docker.platform import DockerPlatform
from crashloop.engines.docker.project import Project, boot_id
from crashloop.engines.docker.settings import Images
from crashloop.engines.docker.watchdog import Watchdog
from crashloop.engines.docker.witness import ToxiproxyFaults, Witness
from crashloop.engines.process import finish
from crashloop.errors import HarnessError
from crashloop.model import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from crashloop.clock import TimeScale
    from crashloop.engines.base import Attempt, Platform
    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.images import Ready
    from crashloop.engines.docker.platform import ContainerAttempt
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario
    from crashloop.supervisor.loop import Supervisor
    from crashloop.trace.recorder import Recorder

T = TypeVar("T")

CACHE = "cache"
CACHE_PORT = 6379
BACKENDS_BOUND_S = 2.0
BACKENDS_LOOK_EVERY_S = 0.02
# Servers that a run cannot do without, by their containers' roles
SERVERS = ("postgres", "toxiproxy", "sidecar", "cache", "gate")


class DockerEngine:
    """What a scenario runs on in Docker. Made by `open`, which also takes it all down again."""

    name: ClassVar[str] = "docker"

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        scale: TimeScale,
        recorder: Recorder,
        artifacts: Path,
        project: Project,
        images: Ready,
    ) -> None:
        self.proxy: Injector
        self._scenario = scenario
        self._seed = seed
        self._scale = scale
        self._recorder = recorder
        self._artifacts = artifacts
        self._project = project
        self._images = images
        self._events = PathEvents(scenario.transport, recorder, self._attempts)
        self._database = Database(project, images.postgres)
        self._path = DatabasePath(
            project,
            images,
            transport=scenario.transport,
            seed=seed,
            emit=self._events.on_sidecar,
        )
        self._witness = (
            Witness(project, images.sidecar, port=PORT, on_seen=self._events.on_witness)
            if scenario.transport is Transport.TCP or "toxiproxy" in makers(scenario)
            else None
        )
        self._app_id = ""
        self._platform: DockerPlatform | None = None
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending = False
        for secret in (self._database.app_password, self._database.superuser_password):
            recorder.redactor.add(secret)

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here; `docker` is Docker's own restart policy."""
        return ENGINE_CAPABILITIES

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        scenario: Scenario,
        *,
        seed: int,
        scale: TimeScale,
        recorder: Recorder,
        artifacts: Path,
        postgres_bin: Path | None,
    ) -> AsyncIterator[DockerEngine]:
        """Start everything but the app; remove everything on leaving, its logs saved before."""
        del postgres_bin  # an image brings its own
        require_possible(scenario)
        begun_ns = time.monotonic_ns()
        async with contextlib.AsyncExitStack() as stack:
            daemon = await _blocking(connect)
            stack.callback(daemon.close)
            wanted = Images.from_environment()
            say = _from_thread(
                lambda what: recorder.emit("harness", "image.missing", {"what": what})
            )
            images = await asyncio.to_thread(ready, daemon, wanted, say=say)
            watcher = await asyncio.to_thread(ryuk.settle, daemon, say=say)
            run_id = secrets.token_hex(6)
            stack.enter_context(Watchdog(run_id))
            project = Project(daemon, run_id)
            engine = cls(
                scenario,
                seed=seed,
                scale=scale,
                recorder=recorder,
                artifacts=artifacts,
                project=project,
                images=images,
            )
            stack.push_async_callback(engine._end)
            await engine._start(stack, daemon)
            recorder.emit(
                "harness",
                "lab.ready",
                {
                    "database_address": str(engine._path.address),
                    "run": run_id,
                    "daemon": daemon.facts.to_json(),
                    "ryuk": watcher,
                    "images": {
                        "postgres": images.postgres,
                        "toxiproxy": images.toxiproxy,
                        "cache": images.cache,
                        "app": images.app,
                        "sidecar": images.sidecar,
                    },
                    "took_s": round((time.monotonic_ns() - begun_ns) / NS_PER_S, 4),
                },
            )
            yield engine

    async def baseline(self) -> None:
        """Prove the path before any fault: a query from the side-car, as the app will ask it."""
        before = set(self._events.links)
        await self._path.query(self._database)
        if self._witness is not None:
            await self._witness.settle()
        links = sorted(set(self._events.links) - before)
        data = {"link": links[-1] if links else None, "query": "select 1"}
        self._recorder.emit("harness", "baseline.passed", data)

    def platform(
        self, on_attempt: Callable[[Attempt], None], *, supervisor: type[Supervisor]
    ) -> Platform:
        """Docker's own restart policy; a supervisor of ours has nothing to do here."""
        del supervisor
        self._platform = DockerPlatform(
            daemon=self._project.daemon,
            container=self._app_id,
            port=app.PORT,
            policy=self._scenario.policy,
            recorder=self._recorder,
            artifacts=self._artifacts,
            on_attempt=on_attempt,
        )
        return self._platform

    async def count_backends(self, attempt: int) -> None:
        """Count what an ended attempt left in Postgres; emits `database.backends`.

        Every life of the container has one name in Postgres, so those count that were there when
        this one died. A closed socket needs a moment to be noticed: looks until none is left, 2 s
        at most.
        """
        assert self._platform is not None
        query = (
            "select count(*) from pg_stat_activity"
            " where application_name = $1 and backend_start <= to_timestamp($2)"
        )
        died_s = self._platform.attempts[attempt - 1].died_ns / NS_PER_S
        until_ns = time.monotonic_ns() + int(BACKENDS_BOUND_S * NS_PER_S)
        while True:
            count = await self._database.ask(query, app.APPLICATION_NAME, died_s)
            if not count or time.monotonic_ns() > until_ns:
                break
            await asyncio.sleep(BACKENDS_LOOK_EVERY_S)
        self._recorder.emit("database", "database.backends", {"count": count}, attempt=attempt)

    async def read_row(self, key: str) -> dict[str, Any] | None:
        """The stored chat message with this key, from Postgres itself, past proxies and app."""
        query = "select id from messages where client_id = $1::text::uuid"
        identity = await self._database.ask(query, key)
        return None if identity is None else {"key": key, "id": identity}

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError when a container of the lab dies or is removed by others."""
        sidecar = self._path.sidecar
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(sidecar.died.wait())
            watching.add_done_callback(
                lambda _: self._break(
                    f"the side-car's proxy {sidecar.why} in the middle of the run"
                )
            )
            await self._broken

    async def _start(self, stack: contextlib.AsyncExitStack, daemon: Daemon) -> None:
        """Start all servers at once; the app's container is made meanwhile."""
        project, path, database = self._project, self._path, self._database
        stack.callback(path.close)
        if self._witness is not None:
            stack.callback(self._witness.close)
        stack.callback(database.close)
        events = await _blocking(
            Events.of, daemon, project.run_id, self._on_event, self._on_events_end
        )
        events.begin()
        stack.callback(events.close)
        back = await _blocking(project.network, "back")

        async def postgres() -> None:
            await _blocking(database.start, back)
            await database.ready()

        async with asyncio.TaskGroup() as group:
            # Postgres takes longest by far: nothing of it waits for anything else.
            group.create_task(postgres())
            group.create_task(self._start_others(back))
        await path.connect(database)
        await self._same_machine()
        by_maker: dict[Maker, Injector] = {"sidecar": path.sidecar}
        if self._witness is not None:
            by_maker["toxiproxy"] = ToxiproxyFaults(path.toxiproxy, PROXY, self._witness)
            by_maker["gate"] = self._witness
        self.proxy = Faults(self._scenario.transport, by_maker)

    async def _start_others(self, back: Any) -> None:
        """Both proxies and the cache; and the app's container, which is made and not started."""
        project, path, witness = self._project, self._path, self._witness
        front, _ = await _together(lambda: project.network("front"), path.make_volume)

        async def proxies() -> None:
            await _together(
                lambda: path.start_toxiproxy(front, back), lambda: path.start_sidecar(front)
            )
            if witness is not None:
                await _blocking(witness.start, path.toxiproxy_id)
            await path.begin()
            if witness is not None:
                await witness.begin(shuts="gate" in makers(self._scenario))

        cache = project.container(
            CACHE, self._images.cache, network=front, command=["redis-server", "--save", ""]
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(proxies())
            group.create_task(_blocking(project.start, cache))
            group.create_task(_blocking(self._make_app, front))

    def _make_app(self, front: Any) -> None:
        timers = {
            name: f"{self._scale.wall_s(seconds):.6f}"
            for name, seconds in self._scenario.app.timers_s.items()
        }
        self._app_id = app.app_container(
            self._project,
            self._images.app,
            self._scenario,
            network=front,
            environment={
                **timers,
                "APP_DATABASE_URL": self._path.database_url(self._database.app_password),
                "APP_CACHE_URL": f"redis://{self._project.name(CACHE)}:{CACHE_PORT}/0",
                "APP_JITTER_SEED": str(self._seed),
            },
            volumes=self._path.volumes,
        )

    async def _same_machine(self) -> None:
        """CapabilityError where the containers have another kernel, and so other clocks."""
        theirs = (await self._path.clocks())["boot_id"]
        if theirs != boot_id():
            raise require_reachable(
                self._project.daemon.facts, "they run on another machine, by a clock of their own"
            )

    async def _end(self) -> None:
        """Save the logs, then remove everything at once."""
        self._ending = True
        self._path.sidecar.stopping()
        try:
            await finish(
                asyncio.to_thread(
                    evidence.save, self._project, self._artifacts, self._recorder.redactor
                )
            )
        finally:
            await finish(asyncio.to_thread(self._project.remove))

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
        gone = event.action == "destroy" or (event.action == "die" and event.role in SERVERS)
        if gone and not self._ending:
            what = "was removed by somebody else" if event.action == "destroy" else "died"
            self._break(f"the container {event.role} {what} in the middle of the run")

    def _on_events_end(self, why: str) -> None:
        if not self._ending:
            self._break(f"Docker's event stream ended in the middle of the run: {why}")

    def _break(self, why: str) -> None:
        if not self._broken.done():
            hint = "nothing of this run counts; see its log in the artifacts and run again"
            self._broken.set_exception(HarnessError(why, hint=hint))
            self._broken.exception()  # noted: nobody may be waiting for it any more

    def _attempts(self) -> list[ContainerAttempt]:
        return self._platform.attempts if self._platform is not None else []


async def _blocking(work: Callable[..., T], *arguments: Any) -> T:
    """Run it in a thread, and to its end: what a cancelled call still makes would be left."""
    return await finish(asyncio.to_thread(work, *arguments))


async def _together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at once, each in a thread; raises what the first of them raises, all ended."""
    done = await asyncio.gather(*(_blocking(work) for work in works), return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return done


def _from_thread(call: Callable[[str], Any]) -> Callable[[str], None]:
    """The same, callable from a thread, done in the running loop."""
    loop = asyncio.get_running_loop()

    def later(what: str) -> None:
        loop.call_soon_threadsafe(call, what)

    return later

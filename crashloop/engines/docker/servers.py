"""The containers of a run besides the app's: all started at once, the slowest first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.apps import url_values
from crashloop.engines import baseline
from crashloop.engines.docker.cache import Cache
from crashloop.engines.docker.capability import POSTGRES, REDIS, maker, makers
from crashloop.engines.docker.database import PORT, Database
from crashloop.engines.docker.database_errors import DatabaseErrors
from crashloop.engines.docker.faults import MadeByParts, ToxiproxyFaults
from crashloop.engines.docker.path import POSTGRES_PORT, REDIS_PORT, Paths
from crashloop.engines.docker.pooler import ROLE_NAME as PGBOUNCER
from crashloop.engines.docker.pooler import Pooler
from crashloop.engines.docker.threads import blocking
from crashloop.engines.docker.witness import Witness
from crashloop.engines.template import ROLE
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.base import Setup
    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.images import Images
    from crashloop.engines.docker.path_events import PathEvents
    from crashloop.engines.docker.project import Project
    from crashloop.faults.ports import Path


class Servers:
    """Postgres, a pooler and Redis where the scenario has them, both proxies, and the witness.

    `create_app` creates the app's containers, from their network, the values of placeholders, and
    their volumes.
    """

    def __init__(
        self,
        project: Project,
        images: Images,
        setup: Setup,
        *,
        events: PathEvents,
        create_app: Callable[[Any, Mapping[str, str], Mapping[str, str]], None],
    ) -> None:
        scenario = setup.scenario
        planned = {each.name: each for each in scenario.dependencies}
        self.database = Database(
            project,
            images.postgres_image,
            settings=planned[POSTGRES].settings,
            recorder=setup.recorder,
            errors=DatabaseErrors(setup.recorder, events, settle=self.settle),
        )
        self.cache = (
            Cache(
                project,
                images.cache_image,
                recorder=setup.recorder,
                may_load=any(fault.kind == "loading" for fault in scenario.faults),
            )
            if REDIS in planned
            else None
        )
        self.pooler = (
            Pooler(
                project,
                images.pooler_image,
                mode=mode,
                password=self.database.app_password,
                recorder=setup.recorder,
            )
            if (mode := planned[POSTGRES].pooler)
            else None
        )
        self.paths = Paths(
            project,
            images,
            transport=planned[POSTGRES].transport,
            seed=setup.seed,
            emit=events.on_sidecar,
        )
        self._paths_begun = asyncio.Event()
        self._planned = planned
        self._create_app = create_app
        self._project = project
        self._events = events
        self._recorder = setup.recorder
        self._shuts = "gate" in makers(scenario)
        self._witness = Witness(
            project, images.sidecar_image, port=POSTGRES_PORT, on_seen=events.on_witness
        )

    def _values(self) -> dict[str, str]:
        """The placeholders of the dependencies in the app's templates."""
        found = url_values(POSTGRES, self.paths.postgres_url(self.database.app_password))
        return found | (url_values(REDIS, self.paths.redis_url) if self.cache else {})

    def path(self, target: str) -> MadeByParts:
        """The path to a dependency."""
        toxiproxy = ToxiproxyFaults(self.paths.toxiproxy, POSTGRES, self._witness)
        parts: dict[Maker, Path] = {"toxiproxy": toxiproxy, "gate": self._witness}
        if target in self.paths.sidecar.paths:
            parts["sidecar"] = self.paths.sidecar.path(target)
        return MadeByParts(parts, lambda kind: maker(self._planned[target], kind))

    async def start(self) -> None:
        """Start all of them, and point the proxies at the dependencies.

        Raises CapabilityError if the containers cannot be reached, or a right is missing.
        """
        back = await blocking(self._project.network, "back")
        async with asyncio.TaskGroup() as group:
            # Postgres takes longest by far, and waits for nothing else.
            group.create_task(self._start_database(back))
            group.create_task(self._start_proxies(back))
            if self.cache is not None:
                group.create_task(blocking(self.cache.start, back))
            if self.pooler is not None:
                group.create_task(self.pooler.start(back))
        behind = POSTGRES
        if self.pooler is not None:
            behind, self._events.pooler = PGBOUNCER, self.pooler.address
        await self.paths.to_postgres(Address(host=self._project.name(behind), port=PORT))
        if self.cache is not None:
            await self.paths.to_redis(Address(host=self._project.name(REDIS), port=REDIS_PORT))

    async def baseline(self) -> None:
        """Prove each path before any fault; then emit a `baseline.passed` for each."""
        before = set(self._events.links)
        sessions = await self.paths.query(
            self.database.app_password, meanwhile=lambda: self.database.inspector.sessions(ROLE)
        )
        data = {"query": baseline.SELECT, "sessions": sessions}
        passed = {POSTGRES: {"link": await self._new_link(before), **data}}
        if self.cache is not None:
            before = set(self._events.links)
            await baseline.ping(self.paths.sidecar_address, REDIS_PORT, log="redis.log")
            passed[REDIS] = {"link": await self._new_link(before), "query": baseline.PING}
        for target, data in passed.items():  # a fault may begin as soon as one has passed
            self._recorder.emit("harness", "baseline.passed", data, target=target)

    async def settle(self) -> None:
        """Wait until everything that has been seen on the paths is recorded, once there are any."""
        await self._paths_begun.wait()
        await self.paths.sidecar.settle()
        await self._witness.settle()

    async def close(self) -> None:
        """Close the connections; the containers are removed with their project."""
        self._witness.close()
        self.paths.close()
        await self.database.close()

    async def _new_link(self, before: set[str]) -> str | None:
        """The link that was made since `before`, when everything that was seen is recorded."""
        await self.settle()
        links = sorted(set(self._events.links) - before)
        return links[-1] if links else None

    async def _start_database(self, back: Any) -> None:
        await blocking(self.database.start, back)
        await self.database.ready()

    async def _start_proxies(self, back: Any) -> None:
        paths = self.paths
        async with asyncio.TaskGroup() as group:
            network = group.create_task(blocking(self._project.network, "front"))
            group.create_task(blocking(paths.make_volume))
        front = network.result()
        async with asyncio.TaskGroup() as group:
            group.create_task(blocking(paths.start_toxiproxy, front, back))
            group.create_task(blocking(paths.start_sidecar, front, back))
            group.create_task(blocking(self._create_app, front, self._values(), paths.volumes))
        await blocking(self._witness.start, paths.toxiproxy_id)
        await paths.begin()
        await self._witness.begin(shuts=self._shuts)
        self._paths_begun.set()

"""The containers that a run needs but for the app: all started at once, in order of their time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker import app_container as app
from crashloop.engines.docker.capability import makers
from crashloop.engines.docker.daemon import require_reachable
from crashloop.engines.docker.database import Database
from crashloop.engines.docker.faults import Faults
from crashloop.engines.docker.path import PORT, PROXY, DatabasePath
from crashloop.engines.docker.project import boot_id
from crashloop.engines.docker.threads import blocking, together
from crashloop.engines.docker.witness import ToxiproxyFaults, Witness
from crashloop.model import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.images import Ready
    from crashloop.engines.docker.path_events import PathEvents
    from crashloop.engines.docker.project import Project
    from crashloop.engines.inspector import Inspector
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario

CACHE = "cache"
CACHE_PORT = 6379


class Servers:
    """Postgres, both proxies, the cache, and the witness where a scenario needs one.

    After `start`: `inspector` looks into Postgres, `app_id` is the app's container, which is made
    and not started, `injector` makes the scenario's faults.
    """

    def __init__(
        self, project: Project, images: Ready, scenario: Scenario, *, seed: int, events: PathEvents
    ) -> None:
        self.database = Database(project, images.postgres)
        self.path = DatabasePath(
            project, images, transport=scenario.transport, seed=seed, emit=events.on_sidecar
        )
        self.app_id = ""
        self.inspector: Inspector
        self._project = project
        self._images = images
        self._scenario = scenario
        self._seed = seed
        self._makers = makers(scenario)
        self._witness = (
            Witness(project, images.sidecar, port=PORT, on_seen=events.on_witness)
            if scenario.transport is Transport.TCP or "toxiproxy" in self._makers
            else None
        )

    @property
    def injector(self) -> Injector:
        """Who makes the faults of the scenario."""
        by_maker: dict[Maker, Injector] = {"sidecar": self.path.sidecar}
        if self._witness is not None:
            toxiproxy = ToxiproxyFaults(self.path.toxiproxy, PROXY, self._witness)
            by_maker |= {"toxiproxy": toxiproxy, "gate": self._witness}
        return Faults(self._scenario.transport, by_maker)

    async def start(self, timers: Mapping[str, str]) -> None:
        """Start all, and put the proxies before Postgres; `timers` are the app's, as variables.

        Raises CapabilityError where the containers are not on this machine, or a right is missing.
        """
        back = await blocking(self._project.network, "back")
        async with asyncio.TaskGroup() as group:
            # Postgres takes longest by far: nothing of it waits for anything else.
            group.create_task(self._start_database(back))
            group.create_task(self._start_others(back, timers))
        await self.path.connect(self.database)
        if await self.path.machine() != boot_id():
            raise require_reachable(
                self._project.daemon.facts, "they run on another machine, by a clock of their own"
            )

    async def settle(self) -> None:
        """Wait until what the path has shown by now is recorded."""
        if self._witness is not None:
            await self._witness.settle()

    def close(self) -> None:
        """Hang up; the containers go with their project."""
        if self._witness is not None:
            self._witness.close()
        self.path.close()
        self.database.close()

    async def _start_database(self, back: Any) -> None:
        await blocking(self.database.start, back)
        self.inspector = await self.database.ready()

    async def _start_others(self, back: Any, timers: Mapping[str, str]) -> None:
        front, _ = await together(lambda: self._project.network("front"), self.path.make_volume)
        cache = self._project.container(
            CACHE, self._images.cache, network=front, command=["redis-server", "--save", ""]
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_proxies(front, back))
            group.create_task(blocking(self._project.start, cache))
            group.create_task(blocking(self._make_app, front, timers))

    async def _start_proxies(self, front: Any, back: Any) -> None:
        path, witness = self.path, self._witness
        await together(lambda: path.start_toxiproxy(front, back), lambda: path.start_sidecar(front))
        if witness is not None:
            await blocking(witness.start, path.toxiproxy_id)
        await path.begin()
        if witness is not None:
            await witness.begin(shuts="gate" in self._makers)

    def _make_app(self, front: Any, timers: Mapping[str, str]) -> None:
        self.app_id = app.app_container(
            self._project,
            self._images.app,
            self._scenario,
            network=front,
            environment={
                **timers,
                "APP_DATABASE_URL": self.path.database_url(self.database.app_password),
                "APP_CACHE_URL": f"redis://{self._project.name(CACHE)}:{CACHE_PORT}/0",
                "APP_JITTER_SEED": str(self._seed),
            },
            volumes=self.path.volumes,
        )

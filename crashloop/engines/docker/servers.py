"""The containers of a run besides the app: all started at once, the slowest first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker import app_container as app
from crashloop.engines.docker.capability import makers
from crashloop.engines.docker.database import Database
from crashloop.engines.docker.faults import Faults, ToxiproxyFaults
from crashloop.engines.docker.path import PORT, PROXY, DatabasePath
from crashloop.engines.docker.threads import blocking
from crashloop.engines.docker.witness import Witness
from crashloop.model import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.images import Images
    from crashloop.engines.docker.path_events import PathEvents
    from crashloop.engines.docker.project import Project
    from crashloop.engines.inspector import Inspector
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario

CACHE = "cache"
CACHE_PORT = 6379


class Servers:
    """Postgres, both proxies, the cache, and the witness where a scenario needs one.

    After `start`, `inspector` queries Postgres, `app_id` is the app's container, which is created
    but not started, and `injector` makes the scenario's faults.
    """

    def __init__(
        self, project: Project, images: Images, scenario: Scenario, *, seed: int, events: PathEvents
    ) -> None:
        self.database = Database(project, images.postgres_image)
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
            Witness(project, images.sidecar_image, port=PORT, on_seen=events.on_witness)
            if scenario.transport is Transport.TCP or "toxiproxy" in self._makers.values()
            else None
        )

    @property
    def injector(self) -> Injector:
        """The injector of the scenario's faults."""
        parts: dict[Maker, Injector] = {"sidecar": self.path.sidecar}
        if self._witness is not None:
            toxiproxy = ToxiproxyFaults(self.path.toxiproxy, PROXY, self._witness)
            parts |= {"toxiproxy": toxiproxy, "gate": self._witness}
        return Faults({name: parts[maker] for name, maker in self._makers.items()})

    async def start(self, timers: Mapping[str, str]) -> None:
        """Start all of them, and point the proxies at Postgres; `timers` are the app's variables.

        Raises CapabilityError if the containers cannot be reached, or a right is missing.
        """
        back = await blocking(self._project.network, "back")
        async with asyncio.TaskGroup() as group:
            # Postgres takes longest by far, and waits for nothing else.
            group.create_task(self._start_database(back))
            group.create_task(self._start_others(back, timers))
        await self.path.connect(self.database)

    async def settle(self) -> None:
        """Wait until everything that has been seen on the path is recorded."""
        if self._witness is not None:
            await self._witness.settle()

    def close(self) -> None:
        """Close the connections; the containers are removed with their project."""
        if self._witness is not None:
            self._witness.close()
        self.path.close()
        self.database.close()

    async def _start_database(self, back: Any) -> None:
        await blocking(self.database.start, back)
        self.inspector = await self.database.ready()

    async def _start_others(self, back: Any, timers: Mapping[str, str]) -> None:
        async with asyncio.TaskGroup() as group:
            network = group.create_task(blocking(self._project.network, "front"))
            group.create_task(blocking(self.path.make_volume))
        front = network.result()
        cache = self._project.container(
            CACHE, self._images.cache_image, network=front, command=["redis-server", "--save", ""]
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_proxies(front, back))
            group.create_task(blocking(self._project.start, cache))
            group.create_task(blocking(self._create_app, front, timers))

    async def _start_proxies(self, front: Any, back: Any) -> None:
        path, witness = self.path, self._witness
        async with asyncio.TaskGroup() as group:
            group.create_task(blocking(path.start_toxiproxy, front, back))
            group.create_task(blocking(path.start_sidecar, front))
        if witness is not None:
            await blocking(witness.start, path.toxiproxy_id)
        await path.begin()
        if witness is not None:
            await witness.begin(shuts="gate" in self._makers.values())

    def _create_app(self, front: Any, timers: Mapping[str, str]) -> None:
        self.app_id = app.app_container(
            self._project,
            self._images.app_image,
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

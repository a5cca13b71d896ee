"""The containers of a run's replicas: made before the run, run by Docker or by our supervisor."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop.apps import with_knobs
from crashloop.engines.docker.app_container import ROLE_NAME, app_container
from crashloop.engines.docker.capability import is_dockers_own, restart_policy
from crashloop.engines.docker.container import AppContainer, run_command
from crashloop.engines.docker.platform import RestartedByDocker
from crashloop.supervisor.replicas import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.base import Attempt, ReplicaSet, Setup
    from crashloop.engines.docker.container import ContainerLife
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.project import Project
    from crashloop.model import AppUnderTest, Life


class Replicas:
    """The app's containers, the old revision's included: first `create`, then `run_by_platform`.

    Itself it is the `ReplicaSet` of those that Docker restarts.
    """

    def __init__(self, project: Project, image: str, setup: Setup) -> None:
        self._project = project
        self._image = image
        self._setup = setup
        wanted = setup.scenario.replicas
        self._new = range(1, wanted.count + 1)
        self._old = range(wanted.count + 1, wanted.count + wanted.overlap + 1)
        self._ids: dict[int, str] = {}
        self._containers: dict[int, AppContainer] = {}
        self._by_docker: list[RestartedByDocker] = []
        self._stopping = asyncio.Event()
        self._on_attempt: Callable[[Attempt], None]
        self.supervisor: Supervisor

    @property
    def roles(self) -> dict[str, int]:
        """The containers' roles, with their replicas."""
        return {self._role(number): number for number in (*self._new, *self._old)}

    @property
    def lives(self) -> list[ContainerLife]:
        """All lives so far."""
        return [life for each in self._containers.values() for life in each.lives]

    def create(self, network: Any, values: Mapping[str, str], volumes: Mapping[str, str]) -> None:
        """Create all containers without starting one. Blocking."""
        scenario = self._setup.scenario
        old = with_knobs(scenario.app, scenario.replicas.old_knobs)

        def one(replica: int) -> str:
            is_old = replica in self._old
            return app_container(
                self._project,
                self._image,
                old if is_old else scenario.app,
                role=self._role(replica),
                values={**values, "seed": str(self._setup.seed), "replica": str(replica)},
                scale=self._setup.scale,
                redactor=self._setup.recorder.redactor,
                network=network,
                volumes=volumes,
                restart_policy=restart_policy(scenario.platform, is_old=is_old),
            )

        with ThreadPoolExecutor() as pool:
            numbers = (*self._new, *self._old)
            self._ids = dict(zip(numbers, pool.map(one, numbers), strict=True))

    def run_by_platform(self, on_attempt: Callable[[Attempt], None]) -> ReplicaSet:
        """What runs them on the scenario's platform."""
        setup, scenario = self._setup, self._setup.scenario
        self._on_attempt = on_attempt
        self._containers = {
            number: AppContainer(
                self._project, setup, replica=number, role=self._role(number), identity=identity
            )
            for number, identity in self._ids.items()
        }
        self.supervisor = Supervisor(
            platform=scenario.platform,
            replicas=scenario.replicas,
            scale=setup.scale,
            recorder=setup.recorder,
            start=partial(self.start, scenario.app),
            run_command=run_command,
        )
        if not is_dockers_own(scenario.platform):
            return self.supervisor
        self._by_docker = [
            RestartedByDocker(self._containers[number], scenario.platform, on_attempt)
            for number in self._new
        ]
        return self

    async def run(self) -> None:
        """Return when Docker has given up restarting each replica, or after `stop`."""
        stagger_s = self._setup.scale.wall_s(self._setup.scenario.replicas.stagger_s)
        async with asyncio.TaskGroup() as group:
            for index, replica in enumerate(self._by_docker):
                group.create_task(self._run(replica, after_s=index * stagger_s))

    async def stop(self) -> None:
        """Stop all replicas at once, and start none that is not started yet."""
        self._stopping.set()
        async with asyncio.TaskGroup() as group:
            for replica in self._by_docker:
                group.create_task(replica.stop())

    async def _run(self, replica: RestartedByDocker, *, after_s: float) -> None:
        try:
            async with asyncio.timeout(after_s):
                await self._stopping.wait()
        except TimeoutError:
            await replica.run()

    async def start(self, app: AppUnderTest, life: Life) -> ContainerLife:
        """Start the next life of a replica, of which the container has `app` already."""
        del app
        container = self._containers[life.replica]
        await container.start()
        started = await container.next_life()
        assert started is not None, "nothing ends the wait of a container of ours"
        self._on_attempt(started)
        return started

    def take(self, event: ContainerEvent) -> None:
        """Pass a start or a death on to whoever runs the container."""
        if (container := self._containers.get(self.roles[event.role])) is not None:
            container.events.put_nowait(event)

    def close(self) -> None:
        """Stop recording lives: when a run has failed, some may still be running."""
        for each in self.lives:
            each.close()

    def _role(self, replica: int) -> str:
        several = self._setup.scenario.replicas.several
        return f"{ROLE_NAME}-{replica}" if several else ROLE_NAME

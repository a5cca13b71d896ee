"""The containers of a run's replicas: made before the run, run by Docker or by our supervisor."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop.apps import with_knobs
from crashloop.engines.docker.app_container import ROLE_NAME, app_container
from crashloop.engines.docker.capability import is_dockers_own, restart_policy
from crashloop.engines.docker.container import AppContainer, run_command
from crashloop.engines.docker.platform import RestartedByDocker
from crashloop.engines.docker.project import MAX_LOG_LINES
from crashloop.engines.docker.threads import blocking
from crashloop.model import CONTROL, SETUP_LOG
from crashloop.supervisor.replicas import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.base import Attempt, ReplicaSet, Setup
    from crashloop.engines.docker.container import ContainerLife
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.project import Project
    from crashloop.model import AppUnderTest, Life
    from crashloop.supervisor.life import BeforeRestart


CONTROL_ROLE, SETUP_ROLE = "control", "setup"
_CONTROL = 0  # no replica has this number


class Replicas:
    """The app's containers, the old revision's included: first `create`, then `run_by_platform`.

    A user's own app has two more: its setup's, and its control life's, which no platform runs.

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
        self._setup_id = ""
        self._containers: dict[int, AppContainer] = {}
        self._by_docker: list[RestartedByDocker] = []
        self._stopping = asyncio.Event()
        self._on_attempt: Callable[[Attempt], None]
        self.supervisor: Supervisor

    @property
    def roles(self) -> dict[str, int]:
        """The containers' roles, with their replicas."""
        own = (_CONTROL,) if self._setup.scenario.is_own_app else ()
        return {self._role(number): number for number in (*self._new, *self._old, *own)}

    @property
    def lives(self) -> list[ContainerLife]:
        """All lives so far."""
        return [life for each in self._containers.values() for life in each.lives]

    @property
    def identities(self) -> list[str]:
        """The containers of the new revision's replicas."""
        return [self._ids[number] for number in self._new]

    def running(self) -> list[ContainerLife]:
        """The new revision's lives that run now."""
        found = [self._containers[number].lives[-1:] for number in self._new if self._containers]
        return [life for lives in found for life in lives if not life.exited.done()]

    def current(self, role: str) -> Life | None:
        """The life that Docker has started last in the container with this role, if any."""
        container = self._containers.get(self.roles.get(role, -1))
        return container.current if container else None

    def create(self, network: Any, values: Mapping[str, str], volumes: Mapping[str, str]) -> None:
        """Create all containers without starting one. Blocking."""
        scenario = self._setup.scenario
        old = with_knobs(scenario.app, scenario.replicas.old_knobs)

        create = partial(
            app_container,
            self._project,
            self._image,
            scale=self._setup.scale,
            redactor=self._setup.recorder.redactor,
            network=network,
            volumes=volumes,
        )
        replicas = str(scenario.replicas.most)
        seeded = {**values, "seed": str(self._setup.seed), "replicas": replicas}

        def one(replica: int) -> str:
            is_old, is_control = replica in self._old, replica == _CONTROL
            return create(
                old if is_old else scenario.app,
                role=self._role(replica),
                values={**seeded, "replica": str(CONTROL.replica if is_control else replica)},
                restart_policy={}
                if is_control
                else restart_policy(scenario.platform, is_old=is_old),
                first=CONTROL.attempt if is_control else 1,
            )

        with ThreadPoolExecutor() as pool:
            numbers = tuple(self.roles.values())
            self._ids = dict(zip(numbers, pool.map(one, numbers), strict=True))
        if scenario.is_own_app and scenario.app.setup:
            self._setup_id = create(
                replace(scenario.app, command=scenario.app.setup),
                role=SETUP_ROLE,
                values={**seeded, "replica": str(CONTROL.replica)},
                restart_policy={},
                first=CONTROL.attempt,
            )

    async def set_up(self, *, within_s: float) -> int | None:
        """Run the setup's container to its end; its exit status, None if it took longer."""
        log = self._setup.artifacts / SETUP_LOG
        with self._project.interference.ours(SETUP_ROLE):
            status, text = await blocking(
                partial(
                    self._project.daemon.run,
                    self._setup_id,
                    within_s=within_s,
                    lines=MAX_LOG_LINES,
                )
            )
        log.write_text(self._setup.recorder.redactor.text(text), encoding="utf-8")
        return status

    async def start_control(self) -> ContainerLife:
        """Start the control life, which nobody restarts."""
        control = self._containers[_CONTROL] = AppContainer(
            self._project,
            self._setup,
            replica=CONTROL.replica,
            role=CONTROL_ROLE,
            identity=self._ids[_CONTROL],
            first=CONTROL.attempt,
        )
        await control.start()
        started = await control.next_life()
        assert started is not None, "nothing ends the wait of a container of ours"
        return started

    def run_by_platform(
        self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
    ) -> ReplicaSet:
        """What runs them on the scenario's platform; Docker itself waits for nobody."""
        setup, scenario = self._setup, self._setup.scenario
        self._on_attempt = on_attempt
        self._containers |= {
            number: AppContainer(
                self._project, setup, replica=number, role=self._role(number), identity=identity
            )
            for number, identity in self._ids.items()
            if number != _CONTROL
        }
        self.supervisor = Supervisor(
            platform=scenario.platform,
            replicas=scenario.replicas,
            scale=setup.scale,
            recorder=setup.recorder,
            start=partial(self.start, scenario.app),
            seed=setup.seed,
            run_command=run_command,
            before_restart=before_restart,
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
            container.take(event)

    def count_lines(self, saved: Mapping[str, int]) -> None:
        """Emit `app.truncated` where the lives' logs lack lines of their container's log."""
        for role, number in self.roles.items():
            container = self._containers.get(number)
            lives = container.lives if container else []
            received = sum(each.log.lines for each in lives)
            if lives and received < saved.get(role, 0) <= MAX_LOG_LINES:
                why = f"Docker's log has {saved[role]} lines, of which {received} were received"
                data = {"why": why}
                self._setup.recorder.emit("app", "app.truncated", data, life=lives[-1].life)

    def close(self) -> None:
        """Stop recording lives: when a run has failed, some may still be running."""
        for each in self.lives:
            each.close()

    def _role(self, replica: int) -> str:
        if replica == _CONTROL:
            return CONTROL_ROLE
        several = self._setup.scenario.replicas.several
        return f"{ROLE_NAME}-{replica}" if several else ROLE_NAME

"""The container of one replica, and its lives: each a start and a death by Docker's events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import docker.errors

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.app_container import PORT
from crashloop.engines.docker.container_log import ContainerLog
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.output import AppOutput
from crashloop.errors import HarnessError
from crashloop.model import Life

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

    from crashloop.engines.base import Setup
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.project import Project
    from crashloop.supervisor.life import LifeProcess

STOP_BOUND_S = 3
COMMAND_BOUND_S = 10
NOT_RUNNING = 409  # conflict


class AppContainer:
    """The container of one replica, created but not started.

    `lives` grows with each start that `next_life` was given, and they count from `first`. `events`
    are the container's, in their order; a None among them ends a wait for the next life.
    """

    def __init__(
        self,
        project: Project,
        setup: Setup,
        *,
        replica: int,
        role: str,
        identity: str,
        first: int = 1,
    ) -> None:
        self.lives: list[ContainerLife] = []
        self.events: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        self.recorder = setup.recorder
        self.identity = identity
        self._project = project
        self._api = project.daemon.api
        self._setup = setup
        self._replica = replica
        self._role = role
        self._first = first
        self._starts = 0
        self._died_ns = 0

    def take(self, event: ContainerEvent) -> None:
        """Take its next start or death, as Docker tells of it."""
        self._starts += event.action == "start"
        self.events.put_nowait(event)

    @property
    def current(self) -> Life | None:
        """The life that Docker has started last, even if nobody has asked for it yet.

        What Docker says of the container is about this life: it tells of a start before it tells of
        anything that happens after it, and may tell of a life's lack of memory after its death.
        """
        number = self._first + self._starts - 1
        return Life(self._replica, number) if self._starts else None

    async def start(self) -> None:
        """Start it, or start it again."""
        await self._ask("started", self._api.start, self.identity)

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after 3 s; Docker does not restart what was stopped."""
        with self._project.interference.ours(self._role):
            await self._ask("stopped", self._api.stop, self.identity, timeout=STOP_BOUND_S)

    async def signal(self, number: signal.Signals) -> bool:
        """Send a signal to its first process; False if it has ended."""

        def kill() -> bool:
            try:
                self._api.kill(self.identity, signal=int(number))
            except docker.errors.APIError as error:
                if error.status_code != NOT_RUNNING:
                    raise
                return False
            return True

        with self._project.interference.ours(self._role):
            return bool(await self._ask("sent a signal", kill))

    async def run(self, command: Sequence[str]) -> int:
        """Run a command in it; its exit status, 137 after 10 s."""
        words = ["timeout", "-s", "KILL", str(COMMAND_BOUND_S), *command]
        status, _ = await self._ask(
            "given a command", self._project.daemon.execute, self.identity, words
        )
        return int(status)

    async def inspect(self) -> dict[str, Any]:
        """The container as Docker shows it."""
        found: dict[str, Any] = await self._ask(
            "inspected", self._api.inspect_container, self.identity
        )
        return found

    async def next_life(self, *, is_counted: bool = False) -> ContainerLife | None:
        """Wait for the next start; returns the life that began with it.

        `is_counted`: Docker restarts the container, and counts its restarts.
        """
        while (begun := await self.events.get()) is not None and begun.action != "start":
            pass
        if begun is None:
            return None
        life = Life(self._replica, len(self.lives) + self._first)
        several = self._setup.scenario.replicas.several
        output = AppOutput(
            self.recorder,
            life=life,
            path=self._setup.artifacts / life.log_name(several=several),
            started_ns=begun.mono_ns,
            ready=self._setup.scenario.app.ready.log,
        )
        seen = await self.inspect()
        self.lives.append(
            ContainerLife(
                self,
                begun,
                life=life,
                # If it has died and restarted meanwhile, this is the next life already.
                seen=seen if not is_counted or seen["RestartCount"] == len(self.lives) else None,
                output=output,
                log=ContainerLog(
                    self._project.daemon, self.identity, since_ns=self._died_ns, on_line=output.line
                ),
            )
        )
        return self.lives[-1]

    async def death(self) -> ContainerEvent:
        """Wait for the next death."""
        while (died := await self.events.get()) is None or died.action != "die":
            pass
        self._died_ns = died.time_ns
        return died

    async def _ask(self, done: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        with sdk_errors(f"the container {self._role} could not be {done}"):
            return await asyncio.to_thread(call, *arguments, **more)


class ContainerLife:
    """One life of a replica's container, for whoever runs it: a `supervisor.life.LifeProcess`.

    `address`, `pid` and `restart_count` are from Docker; None if this life had ended before
    Docker was asked. `died` is its end.
    """

    def __init__(
        self,
        container: AppContainer,
        begun: ContainerEvent,
        *,
        life: Life,
        seen: dict[str, Any] | None,
        output: AppOutput,
        log: ContainerLog,
    ) -> None:
        is_this = seen is not None and seen["State"]["Running"]
        self.life = life
        self.begun = begun
        self.died: ContainerEvent
        self.address = address_of(seen, PORT) if seen and is_this else None
        self.pid = int(seen["State"]["Pid"]) if seen and is_this else None
        self.restart_count = int(seen["RestartCount"]) if seen and is_this else None
        self.started_ns = begun.mono_ns
        self.ended = asyncio.Event()
        self.log = log
        self.output = output
        self._container = container
        self.exited = asyncio.ensure_future(self._until_exit())

    @property
    def container_id(self) -> str:
        """The container that it is a life of."""
        return self._container.identity

    @property
    def run_s(self) -> float:
        """How long it ran, in wall seconds."""
        return (self.died.mono_ns - self.started_ns) / NS_PER_S

    @property
    def said_ready(self) -> bool:
        """Whether a line of its output has matched `Ready.log`."""
        return self.output.said_ready

    async def wait(self) -> int:
        """Docker's exit code, once the output is read: 128 and its number for a signal."""
        return await asyncio.shield(self.exited)

    async def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the app's first process; False if it has ended."""
        return not self.exited.done() and await self._container.signal(number)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 3 s; nothing if it has ended."""
        if not self.exited.done():
            await self._container.stop()
            await self.wait()

    async def run_command(self, command: Sequence[str]) -> int:
        """Run a command beside it; its exit status."""
        return await self._container.run(command)

    def close(self) -> None:
        """Stop following it: when a run has failed, it may still be running."""
        self.exited.cancel()
        self.output.close()

    async def _until_exit(self) -> int:
        self.died = await self._container.death()
        await self.log.ended()
        self.output.close()
        self.ended.set()
        if self.died.exit_code is None:
            raise HarnessError(
                f"Docker did not say how attempt {self.life.attempt} of replica "
                f"{self.life.replica} ended: its event has no exit code",
                hint="this run is invalid; see whether the daemon is healthy: docker info",
            )
        return self.died.exit_code


async def run_command(process: LifeProcess, command: Sequence[str]) -> int:
    """Run a probe's command in the container of a life; its exit status, 137 after 10 s."""
    assert isinstance(process, ContainerLife)
    return await process.run_command(command)


def address_of(seen: dict[str, Any], port: int) -> tuple[str, int] | None:
    """A port at a container's address on its only network; each life may have another."""
    networks = seen["NetworkSettings"]["Networks"].values()
    return next(((str(n["IPAddress"]), port) for n in networks if n["IPAddress"]), None)

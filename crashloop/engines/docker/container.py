"""The container of one replica, and its lives: each a start and a death by Docker's events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker.errors

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.container_log import ContainerLog
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.output import AppOutput
from crashloop.model import Life

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.interference import Interference
    from crashloop.trace.recorder import Recorder

STOP_BOUND_S = 3
NOT_RUNNING = 409  # conflict


@dataclass(slots=True, kw_only=True)
class ContainerLife:
    """One life of a replica's container.

    `address`, `pid` and `restart_count` are from Docker; None if this life had ended before
    Docker was asked.
    """

    life: Life
    address: tuple[str, int] | None
    pid: int | None
    restart_count: int | None
    started_ns: int
    log: ContainerLog
    output: AppOutput
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the containers of a run's replicas have in common.

    `several`: the run has several instances, which the names of their logs say.
    """

    daemon: Daemon
    recorder: Recorder
    artifacts: Path
    interference: Interference
    port: int
    several: bool


class AppContainer:
    """The container of one replica, created but not started. `lives` grows with each start.

    `events` are the container's, for whoever runs it; `wake` puts a None among them.
    """

    def __init__(self, watch: Watch, *, replica: int, role: str, identity: str) -> None:
        self.lives: list[ContainerLife] = []
        self.events: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        self.watch = watch
        self.replica = replica
        self.id = identity
        self._role = role
        self._died_ns = 0

    @property
    def is_up(self) -> bool:
        """Whether its last life has not ended."""
        return bool(self.lives) and not self.lives[-1].ended.is_set()

    def wake(self) -> None:
        """Let whoever waits for an event look whether there is a reason to wait."""
        self.events.put_nowait(None)

    async def start(self) -> None:
        """Start it, or start it again."""
        await self._ask("started", self.watch.daemon.api.start, self.id)

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after 3 s; Docker does not restart what was stopped."""
        with self.watch.interference.ours(self._role):
            await self._ask("stopped", self.watch.daemon.api.stop, self.id, timeout=STOP_BOUND_S)

    async def signal(self, number: int) -> bool:
        """Send a signal to its first process; False if it has ended."""

        def kill() -> bool:
            try:
                self.watch.daemon.api.kill(self.id, signal=int(number))
            except docker.errors.APIError as error:
                if error.status_code != NOT_RUNNING:
                    raise
                return False
            return True

        with self.watch.interference.ours(self._role):
            return bool(await self._ask("sent a signal", kill))

    async def inspect(self) -> dict[str, Any]:
        """The container as Docker shows it."""
        found: dict[str, Any] = await self._ask(
            "inspected", self.watch.daemon.api.inspect_container, self.id
        )
        return found

    async def began(self, event: ContainerEvent, *, restarts: int | None) -> ContainerLife:
        """The life that began with this event.

        `restarts`: Docker's own count of restarts for this life; None where it restarts nothing.
        """
        life = Life(self.replica, len(self.lives) + 1)
        output = AppOutput(
            self.watch.recorder,
            life=life,
            path=self.watch.artifacts / life.log_name(several=self.watch.several),
            started_ns=event.mono_ns,
        )
        seen = await self.inspect()
        # If the container has died and restarted meanwhile, this is the next life already.
        count = int(seen["RestartCount"])
        is_this = seen["State"]["Running"] and restarts in {None, count}
        its = ContainerLife(
            life=life,
            address=address_of(seen, self.watch.port) if is_this else None,
            pid=int(seen["State"]["Pid"]) if is_this else None,
            restart_count=count if is_this and restarts is not None else None,
            started_ns=event.mono_ns,
            log=ContainerLog(
                self.watch.daemon, self.id, since_ns=self._died_ns, on_line=output.line
            ),
            output=output,
        )
        self.lives.append(its)
        return its

    async def died(self, event: ContainerEvent) -> float:
        """Read the rest of the last life's output; returns how long it ran, in wall seconds."""
        last = self.lives[-1]
        await last.log.ended()
        last.output.close()
        self._died_ns = event.time_ns
        return (event.mono_ns - last.started_ns) / NS_PER_S

    def close(self) -> None:
        """Stop recording its lives: when a run has failed, one may still be running."""
        for each in self.lives:
            each.output.close()

    async def _ask(self, done: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        with sdk_errors(f"the container {self._role} could not be {done}"):
            return await asyncio.to_thread(call, *arguments, **more)


def address_of(seen: dict[str, Any], port: int) -> tuple[str, int] | None:
    """A port at a container's address on its only network; each life may have another."""
    networks = seen["NetworkSettings"]["Networks"].values()
    return next(((str(n["IPAddress"]), port) for n in networks if n["IPAddress"]), None)

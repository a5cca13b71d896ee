"""Docker as the platform: it starts the app's containers, and restarts them by its own policy."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.platforms import step_of
from crashloop.platforms.base import Exit, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crashloop.engines.base import Attempt
    from crashloop.engines.docker.container import AppContainer
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.model import Platform

# How long Docker may take to give up after a death that is the last by the policy's model.
SETTLED_S = 5.0
ASK_EVERY_S = 0.05


class RestartedByDocker:
    """One replica's container under Docker's restart policy, followed by Docker's event stream.

    Emits `process.started` and `process.exited` of source platform, each at Docker's own instant,
    with Docker's exit code and restart count, and `restart.gave_up`.
    """

    def __init__(
        self, container: AppContainer, platform: Platform, on_attempt: Callable[[Attempt], None]
    ) -> None:
        self.is_stopping = False
        self._stopped_ns = 0
        self._container = container
        self._on_attempt = on_attempt
        self._policy = platform.restart
        self._step = step_of(platform)
        self._state = State()
        self._why = ""

    async def run(self) -> None:
        """Start the container; return when Docker has given up restarting it, or after `stop`."""
        container = self._container
        await container.start()
        while True:
            event = await container.events.get()
            if event is None:
                if container.is_up:  # a life that started during the stop: its end follows
                    continue
                return
            if event.action == "start":
                await self._started(event)
            elif event.action == "die":
                restarts = await self._died(event)
                if self.is_stopping or not (restarts or await self._restarts_after_all()):
                    return

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after 3 s; Docker does not restart what was stopped."""
        self._stopped_ns = time.monotonic_ns()
        self.is_stopping = True
        await self._container.stop()
        if not self._container.is_up:
            self._container.wake()

    async def _started(self, event: ContainerEvent) -> None:
        its = await self._container.began(event, restarts=len(self._container.lives))
        self._container.watch.recorder.emit(
            "platform",
            "process.started",
            {
                "pid": its.pid,
                "revision": "new",
                "restart_count": its.restart_count,
                "container": event.container[:12],
                "address": "{}:{}".format(*its.address) if its.address else None,
                "time_ns": event.time_ns,
            },
            life=its.life,
            mono_ns=event.mono_ns,
        )
        self._on_attempt(its)

    async def _died(self, event: ContainerEvent) -> bool:
        """Record a death; returns whether Docker restarts the container by the policy's model."""
        its = self._container.lives[-1]
        run_s = await self._container.died(event)
        self._container.watch.recorder.emit(
            "platform",
            "process.exited",
            {
                "pid": its.pid,
                "exit_code": event.exit_code,
                "run_s": round(run_s, 6),
                "restart_count": its.restart_count,
                "container": event.container[:12],
                "time_ns": event.time_ns,
                "requested": self.is_stopping and event.mono_ns >= self._stopped_ns,
            },
            life=its.life,
            mono_ns=event.mono_ns,
        )
        its.ended.set()
        exited = Exit(status=event.exit_code or 0, run_s=run_s)
        self._state, decision = self._step(self._state, exited)
        self._why = decision.reason
        return decision.restart

    async def _restarts_after_all(self) -> bool:
        """Ask Docker whether it has given up: it sends no event. Only where the model says so."""
        container = self._container
        until_s = time.monotonic() + SETTLED_S
        while container.events.empty():
            state = (await container.inspect())["State"]
            if state["Status"] == "exited":
                life = container.lives[-1].life
                data = {"reason": self._why}
                self._container.watch.recorder.emit("platform", "restart.gave_up", data, life=life)
                return False
            if time.monotonic() > until_s:
                raise HarnessError(
                    f"Docker's {self._policy.name} should have given up ({self._why}), but "
                    f"the container is {state['Status']}",
                    hint="this run is invalid; this daemon restarts by other rules",
                )
            await asyncio.sleep(ASK_EVERY_S)
        return True


class DockerReplicas:
    """All replicas, each restarted by Docker; one starts `stagger_s` wall seconds after another."""

    def __init__(self, replicas: Sequence[RestartedByDocker], *, stagger_s: float) -> None:
        self._replicas = replicas
        self._stagger_s = stagger_s
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Return when Docker has given up restarting each, or after `stop`."""
        async with asyncio.TaskGroup() as group:
            for number, replica in enumerate(self._replicas):
                group.create_task(self._one(replica, after_s=number * self._stagger_s))

    async def stop(self) -> None:
        """Stop all of them at once, and start none that is not started yet."""
        self._stopping.set()
        async with asyncio.TaskGroup() as group:
            for replica in self._replicas:
                group.create_task(replica.stop())

    async def _one(self, replica: RestartedByDocker, *, after_s: float) -> None:
        try:
            async with asyncio.timeout(after_s):
                await self._stopping.wait()
        except TimeoutError:
            await replica.run()

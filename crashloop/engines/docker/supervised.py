"""A replica's container of which our own supervisor starts and ends the lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from crashloop.engines.docker.daemon import sdk_errors

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

    from crashloop.engines.docker.container import AppContainer, ContainerLife
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.supervisor.life import LifeProcess

COMMAND_BOUND_S = 10


class SupervisedLife:
    """One life of a container that Docker does not restart."""

    def __init__(self, container: AppContainer, its: ContainerLife) -> None:
        self.life = its.life
        self.pid = its.pid
        self.address = its.address
        self.ended = its.ended
        self._container = container
        self.exited = asyncio.ensure_future(self._until_exit())

    async def wait(self) -> int:
        """Docker's exit code, once the output is read: 128 and its number for a signal."""
        return await asyncio.shield(self.exited)

    async def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the app's first process; False if it has ended."""
        return not self.exited.done() and await self._container.signal(number)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 3 s."""
        if not self.exited.done():
            await self._container.stop()
            await self.wait()

    async def run_command(self, command: Sequence[str]) -> int:
        """Run a command in the container; its exit status, 137 after 10 s."""
        api = self._container.watch.daemon.api
        words = ["timeout", "-s", "KILL", str(COMMAND_BOUND_S), *command]

        def run() -> int:
            made = api.exec_create(self._container.id, words)
            api.exec_start(made["Id"])
            return int(api.exec_inspect(made["Id"])["ExitCode"])

        with sdk_errors("a probe's command could not be run"):
            return await asyncio.to_thread(run)

    async def _until_exit(self) -> int:
        event = await _next(self._container, "die")
        await self._container.died(event)
        self.ended.set()
        return event.exit_code or 0


async def start(container: AppContainer) -> SupervisedLife:
    """Start the container's next life."""
    await container.start()
    event = await _next(container, "start")
    its = await container.began(event, restarts=None)
    return SupervisedLife(container, its)


async def run_command(process: LifeProcess, command: Sequence[str]) -> int:
    """Run a probe's command in the container of a life; its exit status, 137 after 10 s."""
    assert isinstance(process, SupervisedLife)
    return await process.run_command(command)


async def _next(container: AppContainer, action: str) -> ContainerEvent:
    while (event := await container.events.get()) is None or event.action != action:
        pass
    return event

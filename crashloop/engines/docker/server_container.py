"""The container of a server on which faults act: paused, restarted, asked to run a command."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.container_log import nanoseconds
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.threads import blocking
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from testcontainers.core.container import DockerContainer

    from crashloop.engines.docker.project import Project


class ServerContainer:
    """A container on one network, started here; `address` is its own.

    All calls but `stopped` are blocking. What is done to it here is no interference. Raises
    HarnessError for what Docker does not do.
    """

    def __init__(
        self, project: Project, container: DockerContainer, network: Any, *, role: str
    ) -> None:
        self.address = project.start(container, network)
        self.id = str(container.get_container_id())
        self._daemon = project.daemon
        self._interference = project.interference
        self._role = role

    def pause(self) -> list[int]:
        """Stop all its processes; returns their ids on this machine, once Docker says so."""
        with sdk_errors(f"the processes of the container {self._role} could not be listed"):
            top = self._daemon.api.top(self.id)
        column = top["Titles"].index("PID")
        self._do("pause", "Paused", is_now=True)
        return sorted(int(process[column]) for process in top["Processes"])

    def unpause(self) -> None:
        """Let them continue; returns once Docker says so."""
        self._do("unpause", "Paused", is_now=False)

    @contextlib.asynccontextmanager
    async def stopped(self, emit: Callable[..., object]) -> AsyncIterator[None]:
        """While entered, Docker has paused it.

        Emits `process.stopped` and `process.continued`, each once Docker says so.
        """
        pids = await blocking(self.pause)
        try:
            emit("process.stopped", pids=pids)
            yield
        finally:
            begun_ns = time.monotonic_ns()
            await blocking(self.unpause)
            emit("process.continued", pids=pids, begun_ns=begun_ns)

    def restart(self) -> int:
        """Stop it by its own signal and start it again; returns when it ended, in Unix ns."""
        seen = self._do("restart", "Running", is_now=True)
        networks = seen["NetworkSettings"]["Networks"].values()
        self.address = next(str(network["IPAddress"]) for network in networks)
        return nanoseconds(str(seen["State"]["FinishedAt"]))

    def run(self, *command: str, user: str = "") -> str:
        """Run a command in it to its end; returns its output. HarnessError if it fails."""
        with sdk_errors(f"{command[0]} could not be run in the container {self._role}"):
            status, output = self._daemon.execute(self.id, command, user=user)
        if status:
            raise HarnessError(
                f"{' '.join(command)} in the container {self._role} ended with {status}: "
                f"{output[:600]}",
                hint=f"see {self._role}.log in the artifacts",
            )
        return output

    def _do(self, what: str, state: str, *, is_now: bool) -> dict[str, Any]:
        """Do what the API calls so, and see that the container's state is that now."""
        with (
            self._interference.ours(self._role),
            sdk_errors(f"{what} did not succeed for the container {self._role}"),
        ):
            getattr(self._daemon.api, what)(self.id)
            seen: dict[str, Any] = self._daemon.api.inspect_container(self.id)
        if seen["State"][state] is not is_now:
            raise HarnessError(
                f"after {what} Docker shows the container {self._role} as {seen['State']}",
                hint="this run is invalid; see whether the daemon is healthy: docker info",
            )
        return seen

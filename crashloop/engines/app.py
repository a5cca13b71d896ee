"""One life of the app: a process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Protocol

from crashloop.engines import mounts, process, reaper
from crashloop.engines.account import clean_environment
from crashloop.engines.output import AppOutput
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crashloop.engines.workspace import Workspace
    from crashloop.model import Life

STOP_STEPS = ((signal.SIGTERM, 3.0),)
# Waits for a line, then becomes the app: its process id is known before it does anything.
HELD = ("/bin/sh", "-c", 'read -r _ && unset PWD OLDPWD && exec "$@" </dev/null', "sh")


class Output(Protocol):
    """Takes the lines of a process, and is closed when there are no more."""

    def line(self, text: str) -> None:
        """Take the next line."""

    def close(self) -> None:
        """Take no more lines."""


class AppProcess:
    """One life: a process. `ended` is set when it has exited and its output was read.

    Like a container, a life ends as a whole: when the process has exited, what it started is
    killed, daemons included. They are found by `mark` in their environment. `folder` and
    `environment` are those that it was started with; `begun` as of `app_process`.
    """

    def __init__(
        self,
        child: process.Process,
        output: Output,
        *,
        life: Life,
        mark: str,
        address: tuple[str, int],
        folder: Path,
        environment: Mapping[str, str],
        begun: Path | None = None,
    ) -> None:
        self.pid = child.pid
        self.life = life
        self.address = address
        self.folder = folder
        self.environment = environment
        self.ended = asyncio.Event()
        self._mark = mark
        self._child = child
        self._output = output
        self._begun = begun
        self._left_nothing = False

    @property
    def exited(self) -> asyncio.Future[int]:
        """Done with the exit status as soon as the process has ended."""
        return self._child.exited

    @property
    def said_ready(self) -> bool:
        """Whether a line of its output has matched `Ready.log`."""
        return isinstance(self._output, AppOutput) and self._output.said_ready

    def release(self) -> None:
        """Let the app begin."""
        self._child.feed(b"\n")

    async def signal(self, number: signal.Signals) -> bool:
        """Signal the process itself; False if it has ended."""
        return self._child.signal(number)

    async def wait(self) -> int:
        """The exit status, a code or minus a signal's number, when all output has been read.

        May be cancelled and called again. Raises HarnessError if the words of `mounts` before the
        command failed: then the status is theirs.
        """
        status = await asyncio.shield(self._child.exited)
        await self._finish()
        if status > 0 and self._begun is not None and not mounts.has_begun(self._begun):
            raise HarnessError(
                f"{describe(self.life)} could not be started in a mount namespace of its own "
                f"(exit {status}):\n{self._child.tail()}",
                hint="the app itself was not run; the lines above say what failed",
            )
        return status

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 3 s; then end what it left running."""
        await process.terminate(self._child, *STOP_STEPS)
        await self._finish()

    async def _finish(self) -> None:
        await self._end_what_it_left()
        await self._child.drained()
        self._child.close_output()
        self._output.close()
        self.ended.set()

    async def _end_what_it_left(self) -> None:
        if self._left_nothing:
            return
        left = await asyncio.to_thread(
            reaper.end_attempt, self._mark, within_s=process.KILL_BOUND_S
        )
        if left:
            pids = ", ".join(str(pid) for pid in sorted(left))
            raise HarnessError(
                f"{describe(self.life)} left processes (pid {pids}) that have not "
                f"ended {process.KILL_BOUND_S:g} s after SIGKILL",
                hint=f"see what holds one in the kernel: cat /proc/{min(left)}/stack",
            )
        self._left_nothing = True


def app_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    inherited: Mapping[str, str] | None = None,
    life: Life,
    space: Workspace,
    address: tuple[str, int],
    output: Output,
    folder: Path | None = None,
    begun: Path | None = None,
) -> AppProcess:
    """Start one life in a clean environment; its lines go to `output`. `release` lets it begin.

    It gets the variables `inherited` (default: the few that every child gets) and `environment`.

    `address` is where the app was told to listen. `folder` is the working folder: a new one by
    default. `begun` is the file of `mounts.began`, where words of that module come before the
    command. Raises HarnessError if no process can be started.
    """
    mark = f"{space.run_id}/{life.replica}/{life.attempt}"
    folder = folder or space.part(f"app-{life.replica}-{life.attempt}")
    environment = {**environment, reaper.ATTEMPT_VARIABLE: mark}
    child = process.start(
        [*HELD, *command],
        workspace=space,
        name=describe(life),
        environment=environment,
        inherited=inherited,
        folder=folder,
        stdin=None,
    )
    child.listen(output.line)
    return AppProcess(
        child,
        output,
        life=life,
        mark=mark,
        address=address,
        folder=folder,
        environment=clean_environment(space.run_id, environment, inherited),
        begun=begun,
    )


def describe(life: Life) -> str:
    """A life in the words of an error."""
    return f"attempt {life.attempt} of replica {life.replica} of the app"

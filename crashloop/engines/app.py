"""One attempt of the app: a real uvicorn in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines import process, reaper
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.output import AppOutput
    from crashloop.engines.workspace import Workspace
    from crashloop.model import AppUnderTest

STOP_STEPS = ((signal.SIGTERM, 3.0),)
GRACEFUL_SHUTDOWN_S = 2


class AppProcess:
    """One attempt: a uvicorn process. `ended` is set when it has exited and its output was read.

    Like a container, an attempt ends as a whole: when the process has exited, what it started is
    killed, daemons included. They are found by `mark` in their environment.
    """

    def __init__(
        self,
        child: process.Process,
        output: AppOutput,
        *,
        number: int,
        mark: str,
        address: tuple[str, int],
    ) -> None:
        self.pid = child.pid
        self.number = number
        self.address = address
        self.ended = asyncio.Event()
        self._mark = mark
        self._child = child
        self._output = output

    async def wait(self) -> int:
        """The exit status, a code or minus a signal's number, when all output has been read."""
        try:
            status = await asyncio.shield(self._child.exited)
            await self._end_what_it_left()
            await self._child.drained()
        finally:
            self._child.close_output()
            self._output.close()
            self.ended.set()
        return status

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 3 s; then end what it left running."""
        await process.terminate(self._child, *STOP_STEPS)
        await self._end_what_it_left()

    async def _end_what_it_left(self) -> None:
        left = await asyncio.to_thread(
            reaper.end_attempt, self._mark, within_s=process.KILL_BOUND_S
        )
        if left:
            pids = ", ".join(str(pid) for pid in sorted(left))
            raise HarnessError(
                f"attempt {self.number} of the app left processes (pid {pids}) that have not "
                f"ended {process.KILL_BOUND_S:g} s after SIGKILL",
                hint=f"see what holds one in the kernel: cat /proc/{min(left)}/stack",
            )


def app_process(
    app: AppUnderTest,
    *,
    space: Workspace,
    attempt: int,
    address: tuple[str, int],
    environment: Mapping[str, str],
    output: AppOutput,
) -> AppProcess:
    """Start `app` on `address` in a clean environment; its lines go to `output`.

    `-P` and an explicit `--app-dir`: the app comes from where it is installed, or from the folder
    that the scenario names, never from the folder that the harness happens to run in.
    """
    host, port = address
    folder = space.part(f"attempt-{attempt}")
    mark = f"{space.run_id}/{attempt}"
    child = process.start(
        [
            *(sys.executable, "-P", "-m", "uvicorn", app.target),
            *("--host", host, "--port", str(port)),
            *("--app-dir", str(Path(app.folder).resolve() if app.folder else folder)),
            "--no-use-colors",
            *("--timeout-graceful-shutdown", str(GRACEFUL_SHUTDOWN_S)),
        ],
        workspace=space,
        name=f"attempt {attempt} of the app",
        environment={
            **app.settings,
            **environment,
            "APP_APPLICATION_NAME": application_name(attempt),
            reaper.ATTEMPT_VARIABLE: mark,
        },
        folder=folder,
    )
    child.listen(output.line)
    return AppProcess(child, output, number=attempt, mark=mark, address=address)


def application_name(attempt: int) -> str:
    """The name under which Postgres lists the connections of an attempt."""
    return f"app-attempt-{attempt}"

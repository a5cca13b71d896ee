"""A server of a run: a child process; an unexpected death is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.engines import stopping
from crashloop.engines.process import Process, describe_exit, finish, terminate
from crashloop.engines.reaper import identity

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    Emit = Callable[[str, dict[str, Any]], object]

START_BOUND_S = 20.0


class Server:
    """A running server; `died` is set when it ends without having been asked to.

    `emit` gets the events `source`.died and `source`.stopped with the process id and the exit.
    """

    source: ClassVar[str]
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, process: Process, emit: Emit) -> None:
        self.died = asyncio.Event()
        self._emit = emit
        self._stopped = False
        self._asked_to_end: Process | None = None
        self._follow(process)

    @property
    def pid(self) -> int:
        """The id of its main process."""
        return self._process.pid

    async def stop(self) -> None:
        """End it: each of `stop_steps` in turn, then SIGKILL; a second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        is_running = identity(self.pid) is not None
        code = await self._end()
        if is_running:
            self._emit(f"{self.source}.stopped", {"pid": self.pid, "exit": describe_exit(code)})

    @contextlib.asynccontextmanager
    async def _all_stopped(self, folder: Path) -> AsyncIterator[None]:
        """While entered, each of its processes, which work in `folder`, is stopped.

        Emits `process.stopped` and `process.continued` with their ids, each once /proc says so.
        """
        stopped = await asyncio.to_thread(stopping.stop_all, self.pid, folder)
        try:
            self._emit("process.stopped", {"pids": sorted(stopped)})
            yield
        finally:
            await finish(self._continue(stopped))

    async def _continue(self, stopped: Mapping[int, str]) -> None:
        begun_ns = time.monotonic_ns()  # it may answer before /proc was asked
        left = await asyncio.to_thread(stopping.continue_all, stopped)
        self._emit("process.continued", {"pids": left, "begun_ns": begun_ns})

    async def _end(self, *steps: tuple[signal.Signals, float]) -> int:
        """End the process by `steps`, or by its own, which is no death; what it has ended with."""
        if identity(self.pid) is not None:
            self._asked_to_end = self._process
        return await terminate(self._process, *(steps or self.stop_steps))

    def _follow(self, process: Process) -> None:
        """Take a process that was just started for this server's."""
        self._process = process
        process.exited.add_done_callback(lambda exited: self._on_exit(process, exited.result()))

    def _on_exit(self, process: Process, code: int) -> None:
        if process is not self._asked_to_end:
            self._emit(f"{self.source}.died", {"pid": process.pid, "exit": describe_exit(code)})
            self.died.set()

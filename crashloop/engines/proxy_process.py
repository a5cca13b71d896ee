"""The fault proxy of a local run: `crashloop proxy` as a child that prints its events.

It is started without the command line's parser, which takes as long to import as the proxy.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.engines.ports import HOST
from crashloop.engines.process import Process, describe_exit, finish, start, terminate
from crashloop.engines.reaper import identity
from crashloop.engines.remote_proxy import RemoteProxy
from crashloop.proxy.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.remote_proxy import EmitAt
    from crashloop.engines.workspace import Workspace

START_BOUND_S = 20.0
STOP_STEPS = ((signal.SIGTERM, 3.0),)


class ProxyProcess(RemoteProxy):
    """A proxy in a child process."""

    def __init__(self, process: Process, *, emit: EmitAt) -> None:
        super().__init__(emit=emit)
        self._process = process
        self._begun_ns = time.monotonic_ns()
        self._stopping = False
        process.listen(self._on_line)
        process.exited.add_done_callback(lambda exited: self._on_exit(exited.result()))

    async def begin(self) -> None:
        """Wait until it answers."""
        line = await self._process.said("crashloop proxy: API on ", deadline_s=START_BOUND_S)
        found = re.search(r"http://[^ ,]+", line)
        assert found is not None, line
        self.control = Control(found[0])
        facts = {"pid": self._process.pid, "api": found[0], "start_s": self._since_start_s()}
        self._emit("proxy.started", facts, time.monotonic_ns())

    async def stop(self) -> None:
        """Stop it, and record its last events, proxy.stopped among them unless it had died."""
        self._stopping = identity(self._process.pid) is not None
        code = await terminate(self._process, *STOP_STEPS)
        if self._stopping:
            facts = {"pid": self._process.pid, "exit": describe_exit(code)}
            self._emit("proxy.stopped", facts, time.monotonic_ns())

    def _since_start_s(self) -> float:
        return round((time.monotonic_ns() - self._begun_ns) / NS_PER_S, 4)

    def _on_line(self, line: str) -> None:
        if line.startswith("{"):
            self.record(json.loads(line))

    def _on_exit(self, code: int) -> None:
        if not self._stopping:
            self.fail(f"{describe_exit(code)}; its last lines:\n{self._process.tail()}")


@contextlib.asynccontextmanager
async def proxy_process(
    workspace: Workspace, *, seed: int, emit: EmitAt
) -> AsyncIterator[ProxyProcess]:
    """Start a proxy and stop it on leaving; `listen` makes it forward.

    Raises HarnessError with its last lines when it does not start.
    """
    process = start(
        [
            *(sys.executable, "-P", "-m", "crashloop.commands.proxy"),
            *(f"{HOST}:0", str(seed)),
        ],
        workspace=workspace,
        name="crashloop proxy",
        environment={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    proxy = ProxyProcess(process, emit=emit)
    try:
        await proxy.begin()
        yield proxy
    finally:
        await finish(proxy.stop())

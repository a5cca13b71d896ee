"""A cache for one run that speaks Redis's protocol: redis-server if installed, else fakeredis."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crashloop.engines.advice import hint_for
from crashloop.engines.ports import kept_port
from crashloop.engines.process import Process, finish, start
from crashloop.engines.server import START_BOUND_S, Server
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.server import Emit
    from crashloop.engines.workspace import Workspace

Kind = Literal["redis-server", "fakeredis"]

HOST = "127.0.0.1"
PROGRAM = "redis-server"
READY = "Ready to accept connections"
VERSION = re.compile(r"\b(?:Redis|Valkey|fakeredis) version=([\d.]+)")


class CacheServer(Server):
    """A running cache; `kind` says whether it is a real redis-server or fakeredis."""

    source = "cache"
    stop_steps = ((signal.SIGTERM, 2.0),)

    def __init__(self, process: Process, emit: Emit, *, kind: Kind, port: int) -> None:
        super().__init__(process, emit)
        self.kind = kind
        self.url = f"redis://{HOST}:{port}/0"
        self.version = "unknown"
        process.listen(self._on_line)

    def _on_line(self, line: str) -> None:
        if match := VERSION.search(line):
            self.version = match[1]


def available_kind() -> Kind:
    """What this machine has: redis-server on PATH, else the package fakeredis.

    Raises HarnessError when it has neither.
    """
    if shutil.which(PROGRAM):
        return "redis-server"
    if importlib.util.find_spec("fakeredis"):
        return "fakeredis"
    raise HarnessError(
        f"no cache: {PROGRAM} is not on PATH and the package fakeredis is not installed",
        hint="pip install fakeredis, or install a Redis server",
    )


@contextlib.asynccontextmanager
async def cache(
    workspace: Workspace, *, emit: Emit, evidence: Path, kind: Kind | None = None
) -> AsyncIterator[CacheServer]:
    """Start a cache on the loopback and end it on leaving, whatever happens in between.

    `kind` is chosen when None. `emit` gets cache.started, cache.stopped and cache.died; the
    server's output is written to `evidence`/cache.log. Raises HarnessError with its last words
    when it does not start.
    """
    kind = kind or available_kind()
    folder = workspace.part("cache")
    begun_s = time.monotonic()
    with kept_port(HOST) as port:
        process = start(
            _command(kind, port, folder),
            workspace=workspace,
            name=kind,
            environment={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            folder=folder,
            log=evidence / "cache.log",
        )
        server = CacheServer(process, emit, kind=kind, port=port)
        try:
            await _accepts(process)
            facts = {
                "pid": server.pid,
                "kind": kind,
                "version": server.version,
                "start_s": round(time.monotonic() - begun_s, 4),
                "port": port,
            }
            emit("cache.started", facts)
            yield server
        finally:
            await finish(server.stop())


def _command(kind: Kind, port: int, folder: Path) -> list[str]:
    if kind == "fakeredis":
        return [sys.executable, "-P", str(Path(__file__).with_name("cache_server.py")), str(port)]
    command = [shutil.which(PROGRAM) or PROGRAM, "--port", str(port), "--bind", HOST]
    return [*command, "--save", "", "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"]


async def _accepts(process: Process) -> None:
    try:
        await process.said(READY, deadline_s=START_BOUND_S)
    except HarnessError as error:
        raise HarnessError(error.message, hint=hint_for(process.tail())) from error

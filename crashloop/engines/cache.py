"""A cache that speaks Redis's protocol for one run: redis-server where it is, else fakeredis."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crashloop.engines.advice import hint_for
from crashloop.engines.ports import free_port
from crashloop.engines.process import Process, describe_exit, finish, start, terminate
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.postgres import Emit
    from crashloop.engines.workspace import Workspace

Kind = Literal["redis-server", "fakeredis"]

HOST = "127.0.0.1"
PROGRAM = "redis-server"
READY = {"redis-server": "Ready to accept connections", "fakeredis": '{"port"'}
START_BOUND_S = 20.0
PORT_ATTEMPTS = 5
STOP_STEPS = ((signal.SIGTERM, 2.0),)


class CacheServer:
    """A running cache; `died` is set when it ends without having been told to.

    `kind` says what it is: a real redis-server, or fakeredis' imitation. `version` is its own.
    """

    host = HOST

    def __init__(
        self, process: Process, *, kind: Kind, version: str, port: int, emit: Emit
    ) -> None:
        self.kind = kind
        self.version = version
        self.port = port
        self.died = asyncio.Event()
        self._process = process
        self._emit = emit
        self._stopping = False
        process.exited.add_done_callback(lambda exited: self._exited(exited.result()))

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where the cache is, past every proxy: "redis://127.0.0.1:PORT/0"."""
        return f"redis://{HOST}:{self.port}/0"

    async def stop(self) -> None:
        """End the server: SIGTERM, then SIGKILL after 2 s."""
        if self._stopping:
            return
        self._stopping = True
        died = self._process.exited.done()
        code = await terminate(self._process, *STOP_STEPS)
        if not died:
            self._emit("cache.stopped", {"pid": self.pid, "exit": describe_exit(code)})

    def _exited(self, code: int) -> None:
        if not self._stopping:
            self._emit("cache.died", {"pid": self.pid, "exit": describe_exit(code)})
            self.died.set()


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
    workspace: Workspace,
    *,
    emit: Emit,
    evidence: Path,
    kind: Kind | None = None,
    port: int | None = None,
    deadline_s: float = START_BOUND_S,
) -> AsyncIterator[CacheServer]:
    """Start a cache on the loopback and end it on leaving, whatever happens in between.

    `kind` and `port` are chosen when None. `emit` gets cache.started, cache.stopped and cache.died;
    the server's output is written to `evidence`/cache.log. Raises HarnessError with its last words
    when it does not start.
    """
    kind = kind or available_kind()
    folder = workspace.part("cache")
    begun_s = time.monotonic()
    for attempt in range(1, PORT_ATTEMPTS + 1):
        taken = port or (0 if kind == "fakeredis" else free_port(HOST))
        process = _spawn(workspace, kind, taken, folder, evidence / "cache.log")
        facts: dict[str, Any] = {"port": taken, "version": "unknown"}
        process.listen(lambda line, facts=facts: facts.update(_facts(line)))  # type: ignore[misc]
        try:
            await process.said(READY[kind], deadline_s=deadline_s)
        except BaseException as error:
            await finish(terminate(process, *STOP_STEPS))
            if not isinstance(error, HarnessError):
                raise
            if "Address already in use" in process.tail() and not port and attempt < PORT_ATTEMPTS:
                continue
            raise _refused(kind, taken, process) from error
        break
    server = CacheServer(process, kind=kind, emit=emit, **facts)
    try:
        emit(
            "cache.started", {"pid": server.pid, "kind": kind, "start_s": _since(begun_s), **facts}
        )
        yield server
    finally:
        await finish(server.stop())


def _since(begun_s: float) -> float:
    return round(time.monotonic() - begun_s, 4)


def _spawn(workspace: Workspace, kind: Kind, port: int, folder: Path, log: Path) -> Process:
    environment = {}
    if kind == "redis-server":
        command = [shutil.which(PROGRAM) or PROGRAM, "--port", str(port), "--bind", HOST]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"]
    else:
        program = Path(__file__).with_name("cache_server.py")
        command = [sys.executable, "-P", str(program), str(port)]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return start(
        command,
        workspace=workspace,
        name=kind,
        environment=environment,
        folder=folder,
        log=log,
    )


def _facts(line: str) -> dict[str, Any]:
    """What a line of output says about the server: its version, and the port that it took."""
    if line.startswith(READY["fakeredis"]):
        facts = json.loads(line)
        return {"port": facts["port"], "version": facts["version"]}
    if match := re.search(r"\b(?:Redis|Valkey) version=([\d.]+)", line):
        return {"version": match[1]}
    return {}


def _refused(kind: Kind, port: int, process: Process) -> HarnessError:
    if "Address already in use" in process.tail():
        return HarnessError(
            f"{kind} cannot listen on {HOST}:{port}: the port is in use",
            hint=f"end what listens there (ss -ltnp 'sport = :{port}') or leave the choice to "
            "crashloop",
        )
    return HarnessError(
        f"the cache ({kind}) did not start; it {describe_exit(process.exited.result())}. "
        f"Its last lines:\n{process.tail()}",
        hint=hint_for(process.tail()),
    )

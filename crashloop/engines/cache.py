"""A cache for one run that speaks Redis's protocol: redis-server if installed, else fakeredis."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crashloop.engines import stopping
from crashloop.engines.advice import hint_for
from crashloop.engines.ports import kept_port
from crashloop.engines.process import Process, finish, start
from crashloop.engines.server import START_BOUND_S, Server
from crashloop.errors import CapabilityError, HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from crashloop.engines.server import Emit
    from crashloop.engines.workspace import Workspace

Kind = Literal["redis-server", "fakeredis"]

HOST = "127.0.0.1"
PROGRAM = "redis-server"
READY = "Ready to accept connections"
VERSION = re.compile(r"\b(?:Redis|Valkey|fakeredis) version=([\d.]+)")
ANSWER_BOUND_S = 10.0
ASK_EVERY_S = 0.005
LOADING = "-LOADING"
PONG = "+PONG"

# A held redis-server loads a key of a database of its own each 25 ms, for 500 s at most. It answers
# between two keys, as each has more bytes than it reads without looking at its connections.
HELD_SINCE = [7]
HELD = ("--key-load-delay", "25000", "--loading-process-events-interval-bytes", "1024")
FILL = (
    "EVAL",
    "redis.call('SELECT', 16) for i = 1, 20000 do redis.call('SET', i, ARGV[1]) end",
    "0",
    "x" * 1100,
)
EMPTY = ("EVAL", "redis.call('SELECT', 16) redis.call('FLUSHDB', 'ASYNC')", "0")


class CacheServer(Server):
    """A running cache, and what faults may do to it (`crashloop.faults.ports.Cache`).

    `kind` says whether it is a real redis-server or fakeredis.
    """

    source = "cache"
    stop_steps = ((signal.SIGTERM, 2.0),)

    def __init__(
        self,
        process: Process,
        emit: Emit,
        *,
        kind: Kind,
        port: int,
        folder: Path,
        launch: Callable[..., Process],
    ) -> None:
        self.kind = kind
        self.port = port
        self.url = f"redis://{HOST}:{port}/0"
        self.version = "unknown"
        self._folder = folder
        self._launch = launch
        self._is_away = False
        super().__init__(process, emit)

    async def ask(self, *words: str) -> str:
        """The first line of its answer to one command, over a connection of its own.

        Raises OSError, or TimeoutError after 10 s.
        """
        async with asyncio.timeout(ANSWER_BOUND_S):
            reader, writer = await asyncio.open_connection(HOST, self.port)
            try:
                command = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
                writer.write(f"*{len(words)}\r\n{''.join(command)}".encode())
                return (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """While entered, it answers -LOADING, as after a restart; its connections are closed.

        Emits `cache.loading` and `cache.loaded` with what it answered to PING; the former is
        `modelled` where fakeredis answers. Its data stay.
        Raises CapabilityError for a redis-server before 7.0, HarnessError if it does not answer
        so, UsageError if another fault acts on it already.
        """
        with self._away():
            await self._begin_loading()
            try:
                is_fake = {"modelled": True} if self.kind == "fakeredis" else {}
                self._emit("cache.loading", {"said": await self._says(LOADING), **is_fake})
                yield
            finally:
                await finish(self._end_loading())

    @contextlib.asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """While entered, it is stopped: it accepts connections, and answers nothing.

        Emits `process.stopped` and `process.continued`, each once /proc says so. Raises
        CapabilityError where there is no /proc, UsageError if another fault acts on it already.
        """
        stopping.require_proc()
        with self._away():
            async with self._all_stopped(self._folder):
                yield

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        if self._is_away:
            raise UsageError(
                "two faults would act on the cache at once",
                hint="let one be healed before the other is injected",
            )
        self._is_away = True
        try:
            yield
        finally:
            self._is_away = False

    async def _begin_loading(self) -> None:
        if self.kind == "fakeredis":
            self._process.signal(signal.SIGUSR1)
            return
        _require_held(self.version)
        for command in (("CONFIG", "SET", "rdbcompression", "no"), FILL, ("SAVE",)):
            answer = await self._ask(*command)
            if answer.startswith("-"):
                raise HarnessError(
                    f"redis-server answered {command[0]} with {answer}",
                    hint="see cache.log in the artifacts",
                )
        await self._end()
        self._follow(self._launch(*HELD))

    async def _end_loading(self) -> None:
        if self.kind == "fakeredis":
            self._process.signal(signal.SIGUSR2)
        else:
            if not (said := await self._ask("PING")).startswith(LOADING):
                raise HarnessError(
                    f"redis-server had loaded its data before the heal: it answers PING with "
                    f"{said}",
                    hint="heal the fault earlier; it can be held for 500 s of wall time",
                )
            await self._ask("CONFIG", "SET", "key-load-delay", "0")
        self._emit("cache.loaded", {"said": await self._says(PONG)})
        if self.kind == "redis-server":
            await self._ask(*EMPTY)

    async def _says(self, wanted: str) -> str:
        """Its answer to PING, once that begins with `wanted`; HarnessError after 20 s."""
        until_s = time.monotonic() + START_BOUND_S
        while True:
            try:
                said = await self.ask("PING")
            except OSError as error:
                said = type(error).__name__
            if said.startswith(wanted):
                return said[1:]
            if time.monotonic() > until_s or self._process.exited.done():
                raise HarnessError(
                    f"the cache ({self.kind}) should answer PING with {wanted}, but: {said}",
                    hint="see cache.log in the artifacts",
                )
            await asyncio.sleep(ASK_EVERY_S)  # a server that starts or loads announces nothing

    async def _ask(self, *words: str) -> str:
        try:
            return await self.ask(*words)
        except OSError as error:
            raise HarnessError(
                f"the cache ({self.kind}) did not answer {words[0]}: {type(error).__name__}",
                hint="see cache.log in the artifacts",
            ) from error

    def _follow(self, process: Process) -> None:
        super()._follow(process)
        process.listen(self._on_line)

    def _on_line(self, line: str) -> None:
        if match := VERSION.search(line):
            self.version = match[1]


def has_redis() -> bool:
    """Whether a redis-server is on PATH; else fakeredis stands for one."""
    return shutil.which(PROGRAM) is not None


def require_loading() -> None:
    """Raise CapabilityError if the redis-server on PATH cannot be held while it loads its data."""
    program = shutil.which(PROGRAM)
    if program is not None and (version := _version_of(program)):
        _require_held(version)


@functools.cache
def _version_of(program: str) -> str:
    """What a redis-server says of its version; "" if it says nothing that is known."""
    try:
        ended = subprocess.run(  # noqa: S603  the server that a run would start
            (program, "--version"), capture_output=True, text=True, timeout=10.0, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # the run says why, when it starts it
    found = re.search(r"\bv=([\d.]+)", ended.stdout)
    return found[1] if found else ""


def _require_held(version: str) -> None:
    if [int(part) for part in re.findall(r"\d+", version)] < HELD_SINCE:
        raise CapabilityError(
            f"redis-server {version} cannot be held while it loads its data",
            hint="install version 7.0 or later, or take it off PATH to use fakeredis",
        )


def available_kind() -> Kind:
    """What this machine has: redis-server on PATH, else the package fakeredis.

    Raises HarnessError when it has neither.
    """
    if has_redis():
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

        def launch(*more: str) -> Process:
            return start(
                [*_command(kind, port, folder), *more],
                workspace=workspace,
                name=kind,
                environment={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                folder=folder,
                log=evidence / "cache.log",
            )

        process = launch()
        server = CacheServer(process, emit, kind=kind, port=port, folder=folder, launch=launch)
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
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"]
    return [*command, "--databases", "17"]  # the last one is the harness's own


async def _accepts(process: Process) -> None:
    try:
        await process.said(READY, deadline_s=START_BOUND_S)
    except HarnessError as error:
        raise HarnessError(error.message, hint=hint_for(process.tail())) from error

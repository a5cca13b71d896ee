"""Starts the app as its own process, as a platform would, and watches its log."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import app_under_test

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

APP_FOLDER = Path(app_under_test.__file__).resolve().parent
DEADLINE_S = 30.0
_ADDRESS = re.compile(r"running on (http://\S+)")


class RunningApp:
    """One process of the app; its log lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.output: list[str] = []
        self._changed = asyncio.Condition()
        self._pumps = [
            asyncio.create_task(self._pump(stream))
            for stream in (process.stdout, process.stderr)
            if stream is not None
        ]

    async def _pump(self, stream: asyncio.StreamReader) -> None:
        while line := (await stream.readline()).decode():
            async with self._changed:
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                else:
                    self.output.append(line)
                self._changed.notify_all()

    def all_of(self, event: str, phase: str | None = None) -> list[dict[str, Any]]:
        return [
            line
            for line in self.events
            if line["event"] == event and phase in (None, line.get("phase"))
        ]

    async def event(self, event: str, phase: str | None = None, *, count: int = 1) -> Any:
        """Wait for the count-th such line and give it."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.all_of(event, phase)) >= count)
        return self.all_of(event, phase)[count - 1]

    async def url(self) -> str:
        """Wait until the server says where it listens."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: _ADDRESS.search("".join(self.output)))
        found = _ADDRESS.search("".join(self.output))
        assert found is not None
        return found[1]

    async def exit_code(self) -> int:
        """Wait for the process's own end, its output read to the last line."""
        async with asyncio.timeout(DEADLINE_S):
            code = await self.process.wait()
            await asyncio.gather(*self._pumps)
        return code

    async def stop(self) -> int:
        """Ask it to end as a platform does, by SIGTERM."""
        self.process.terminate()
        return await self.exit_code()


class StartApp(Protocol):
    def __call__(
        self, app: str = "app_under_test.main:app", **settings: object
    ) -> AbstractAsyncContextManager[RunningApp]: ...


@pytest.fixture
def start_app(tmp_path: Path) -> StartApp:
    """Give a context manager that starts the app with settings named as fields (no prefix)."""

    @asynccontextmanager
    async def start(
        app: str = "app_under_test.main:app", **settings: object
    ) -> AsyncIterator[RunningApp]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("APP_")
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPATH"] = os.pathsep.join([str(APP_FOLDER.parent), str(tmp_path)])
        environment |= {f"APP_{name.upper()}": str(value) for name, value in settings.items()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "uvicorn", app, "--port", "0"),
            env=environment,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        running = RunningApp(process)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await running.exit_code()

    return start


@contextmanager
def bound(*, listening: bool) -> Iterator[int]:
    """Hold a loopback port that refuses, or that accepts (in the kernel) and never answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        if listening:
            held.listen()
        yield held.getsockname()[1]


@pytest.fixture
def refusing_url() -> Iterator[str]:
    with bound(listening=False) as port:
        yield f"postgresql+asyncpg://app:hidden@127.0.0.1:{port}/app"


@pytest.fixture
def silent_url() -> Iterator[str]:
    with bound(listening=True) as port:
        yield f"postgresql+asyncpg://app:hidden@127.0.0.1:{port}/app"


@pytest.fixture(autouse=True)
def _no_app_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("APP_"):
            monkeypatch.delenv(name)

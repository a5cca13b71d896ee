"""Fixtures of the proxy's tests: a loop of each kind, and a folder short enough for a socket."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from proxied import LIMIT_S, LOOPBACK, Run


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def runs(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LIMIT_S):
                await scenario()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return runs


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(params=["tcp", "unix"])
def listen(request: pytest.FixtureRequest, folder: Path) -> str | tuple[str, int]:
    return str(folder / "in") if request.param == "unix" else LOOPBACK

"""Fixtures of the proxy's tests: the event loops, and a folder short enough for a socket."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from proxied import LOOPBACK

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that a mark may choose from; asyncio's for a test without one."""
    mark = item.get_closest_marker("asyncio")
    chosen = mark is not None and "loop_factories" in mark.kwargs
    return LOOPS if chosen else {"asyncio": LOOPS["asyncio"]}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def empty_cache() -> Iterator[Path]:
    """A cache folder that root's unprivileged server can reach, which tmp_path is not."""
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["tcp", "unix"])
def listen(request: pytest.FixtureRequest, folder: Path) -> str | tuple[str, int]:
    return str(folder / "in") if request.param == "unix" else LOOPBACK

"""A cache that loads its data, as a client sees it, and what the server says about it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from cache_kinds import KINDS
from redis.exceptions import BusyLoadingError

from crashloop.engines.cache import cache
from crashloop.engines.cache_server import INFO, LOADING, command_size, is_info
from crashloop.engines.workspace import workspace
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.faults.cache import Loading
from crashloop.faults.cache_silent import CacheSilent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.cache import CacheServer, Kind
    from crashloop.faults.base import Fault

BOUND_S = 20.0
NO_ANSWER_S = 0.3
PING = b"*1\r\n$4\r\nPING\r\n"
SAID = "LOADING Redis is loading the dataset in memory"


class Lab:
    """A cache, its events, and the ports of faults."""

    def __init__(self, server: CacheServer, events: list[tuple[str, dict[str, Any]]]) -> None:
        self.server = server
        self.events = events

    def cache(self, target: str) -> CacheServer:
        assert target == "redis"
        return self.server

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        async with self.active(Loading()):
            yield

    @asynccontextmanager
    async def active(self, fault: Fault) -> AsyncIterator[None]:
        ports: Any = self
        async with fault.active(ports, name="f", target="redis"):
            yield

    @asynccontextmanager
    async def client(self) -> AsyncIterator[redis.asyncio.Redis]:
        client = redis.asyncio.Redis.from_url(self.server.url)
        try:
            yield client
        finally:
            await client.aclose()


@asynccontextmanager
async def running(kind: Kind, evidence: Path) -> AsyncIterator[Lab]:
    events: list[tuple[str, dict[str, Any]]] = []
    with workspace() as space:
        async with cache(
            space, emit=lambda *event: events.append(event), evidence=evidence, kind=kind
        ) as server:
            yield Lab(server, events)


async def answer(port: int, sent: bytes) -> bytes:
    """The first line of what a new connection gets for these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.readline(), BOUND_S)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_loading_cache_closes_its_connections_and_fails_every_command_until_the_heal(
    kind: Kind, tmp_path: Path
) -> None:
    async with running(kind, tmp_path) as lab:
        async with lab.client() as client:
            await client.set("key", "value")
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.server.port)
        writer.write(PING)
        assert await asyncio.wait_for(reader.readline(), BOUND_S) == b"+PONG\r\n"
        async with lab.loading():
            fake = {"modelled": True} if kind == "fakeredis" else {}
            assert lab.events[1:] == [("cache.loading", {"said": SAID, **fake})]
            assert await asyncio.wait_for(reader.read(), BOUND_S) == b""
            async with lab.client() as client:
                for _ in range(2):
                    with pytest.raises(BusyLoadingError):
                        await client.get("key")
            assert await answer(lab.server.port, b"SET key other\r\n") == f"-{SAID}\r\n".encode()
            waiting, sending = await asyncio.open_connection("127.0.0.1", lab.server.port)
            sending.write(b"*1\r\n$4\r\nINFO\r\n*1\r\n")
            info = await asyncio.wait_for(waiting.readuntil(b"loading:1\r\n"), BOUND_S)
            assert info.startswith(b"$")
        assert lab.events[-1] == ("cache.loaded", {"said": "PONG"})
        sending.write(b"$4\r\nPING\r\n")
        await asyncio.wait_for(waiting.readuntil(b"+PONG\r\n"), BOUND_S)
        async with lab.client() as client:
            assert await client.get("key") == b"value", "the data stay"
            assert await client.dbsize() == 1
        for each in (writer, sending):
            each.close()
        assert not lab.server.died.is_set()
    assert [name for name, _ in lab.events] == [
        "cache.started", "cache.loading", "cache.loaded", "cache.stopped",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cache_can_load_again_and_again(kind: Kind, tmp_path: Path) -> None:
    async with running(kind, tmp_path) as lab:
        for _ in range(2):
            async with lab.loading():
                assert await answer(lab.server.port, PING) == LOADING
            assert await answer(lab.server.port, PING) == b"+PONG\r\n"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_harness_error_lets_it_finish_loading(kind: Kind, tmp_path: Path) -> None:
    async def break_off(lab: Lab) -> None:
        async with lab.loading():
            raise HarnessError("something else broke")

    async with running(kind, tmp_path) as lab:
        with pytest.raises(HarnessError, match="something else broke"):
            await break_off(lab)
        assert await answer(lab.server.port, PING) == b"+PONG\r\n"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cache_that_dies_while_it_loads_is_noticed(kind: Kind, tmp_path: Path) -> None:
    async def kill(lab: Lab) -> None:
        async with lab.loading():
            os.kill(lab.server.pid, signal.SIGKILL)
            await asyncio.wait_for(lab.server.died.wait(), BOUND_S)

    async with running(kind, tmp_path) as lab:
        with pytest.raises(HarnessError, match=r"should answer PING|did not answer PING"):
            await kill(lab)
    assert lab.events[-1][0] == "cache.died"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@linux_only
@pytest.mark.parametrize("kind", KINDS)
async def test_a_silent_cache_accepts_and_never_answers_until_the_heal(
    kind: Kind, tmp_path: Path
) -> None:
    async with running(kind, tmp_path) as lab:
        async with lab.active(CacheSilent()):
            (name, stopped) = lab.events[-1]
            assert (name, lab.server.pid in stopped["pids"]) == ("process.stopped", True)
            assert {state(pid) for pid in stopped["pids"]} == {"T"}
            asking = asyncio.create_task(answer(lab.server.port, PING))
            await asyncio.wait({asking}, timeout=NO_ANSWER_S)
            assert not asking.done()
            with pytest.raises(UsageError, match="two faults"):
                async with lab.loading():
                    pass
        assert await asking == b"+PONG\r\n"
        name, continued = lab.events[-1]
        assert (name, continued["pids"]) == ("process.continued", stopped["pids"])


@linux_only
@pytest.mark.parametrize("kind", KINDS)
async def test_a_harness_error_lets_a_silent_cache_answer(kind: Kind, tmp_path: Path) -> None:
    async def break_off(lab: Lab) -> None:
        async with lab.active(CacheSilent()):
            raise HarnessError("something else broke")

    async with running(kind, tmp_path) as lab:
        with pytest.raises(HarnessError, match="something else broke"):
            await break_off(lab)
        assert await answer(lab.server.port, PING) == b"+PONG\r\n"


async def test_a_cache_that_proc_does_not_show_cannot_be_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.engines.stopping.sys.platform", "darwin")
    async with running("fakeredis", tmp_path) as lab:
        with pytest.raises(CapabilityError, match="this is darwin"):
            async with lab.active(CacheSilent()):
                pass
        assert await answer(lab.server.port, PING) == b"+PONG\r\n"


async def test_two_loading_faults_at_once_are_refused(tmp_path: Path) -> None:
    async with running("fakeredis", tmp_path) as lab:
        async with lab.loading():
            with pytest.raises(UsageError, match="two faults"):
                async with lab.loading():
                    pass
            assert await answer(lab.server.port, PING) == LOADING
        assert await answer(lab.server.port, PING) == b"+PONG\r\n"


async def test_a_redis_server_that_cannot_be_held_is_left_alone(tmp_path: Path) -> None:
    async with running("fakeredis", tmp_path) as lab:
        lab.server.kind, lab.server.version = "redis-server", "6.2.14"
        with pytest.raises(CapabilityError, match=r"6\.2\.14 cannot be held"):
            async with lab.loading():
                pass
        assert await answer(lab.server.port, PING) == b"+PONG\r\n"


@pytest.mark.parametrize(
    ("received", "size"),
    [
        (b"*1\r\n$4\r\nPING\r\n*1\r\n", 14),
        (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", 19),
        (b"PING\r\nPING\r\n", 6),
        (b"*1\r\n$4\r\nPING", 0),
        (b"*2\r\n$3\r\nGET\r\n", 0),
        (b"*1", 0),
        (b"", 0),
        (b"*x\r\n", 4),
    ],
)
def test_the_first_command_is_taken_whole(received: bytes, size: int) -> None:
    assert command_size(received) == size


def test_only_info_is_answered_while_loading() -> None:
    assert is_info(b"*2\r\n$4\r\nInfo\r\n$11\r\npersistence\r\n")
    assert is_info(b"info\r\n")
    assert not is_info(b"*2\r\n$3\r\nGET\r\n$4\r\nINFO\r\n")
    assert not is_info(b"\r\n")
    assert not is_info(b"*0\r\n")
    assert not is_info(b"*-1\r\n")
    assert b"loading:1" in INFO

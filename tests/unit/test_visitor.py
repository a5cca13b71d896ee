"""The user of the app, with apps that answer wrongly and ports that do not answer at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from docker_cases import recorder

from crashloop import visitor
from crashloop.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from crashloop.trace.recorder import Recorder

BOUND_S = 10.0


@dataclass(slots=True, kw_only=True)
class Life:
    address: tuple[str, int] | None
    number: int = 1
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def events() -> Recorder:
    return recorder()


@pytest.fixture
def user(events: Recorder) -> Visitor:
    async def no_row(key: str) -> None:
        raise AssertionError(key)

    return Visitor(key="k", recorder=events, read_row=no_row)


@pytest.fixture
def silent_port() -> Iterator[tuple[str, int]]:
    """A port at which SYNs get no answer: its backlog is full, and nobody accepts."""
    if sys.platform != "linux":
        pytest.skip("other kernels answer all the same")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address: tuple[str, int] = server.getsockname()
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        yield address


class App:
    """Answers every request with one status; `asked` are the paths, `often` is set after many."""

    def __init__(self, status: int) -> None:
        self.asked: list[str] = []
        self.often = asyncio.Event()
        self._status = status

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Life]:
        """A life of the app that listens."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server, asyncio.timeout(BOUND_S):
            yield Life(address=server.sockets[0].getsockname())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # a probe of the port
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.split(b" ")[1].decode())
            answer = f"HTTP/1.1 {self._status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            writer.write(answer.encode())
        writer.close()
        if len(self.asked) > 2 * visitor.MAX_REFUSALS:
            self.often.set()


async def test_a_port_that_drops_packets_does_not_block_the_run(
    user: Visitor, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "CONNECT_BOUND_S", 3600.0)
    monkeypatch.setattr(visitor, "LOOK_EVERY_S", 3600.0)
    visiting = asyncio.create_task(user.visit(Life(address=silent_port)))
    async with asyncio.timeout(BOUND_S):
        await asyncio.sleep(0)  # into its first probe
        visiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await visiting


async def test_a_probe_without_an_answer_does_not_count(
    user: Visitor,
    events: Recorder,
    silent_port: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visitor, "CONNECT_BOUND_S", 0.001)
    life = Life(address=silent_port)
    visiting = asyncio.create_task(user.visit(life))
    asyncio.get_running_loop().call_later(0.05, life.ended.set)
    async with asyncio.timeout(BOUND_S):
        await visiting

    (watched,) = events.events
    assert (watched.kind, watched.data) == ("port.watched", {"probes": 0, "opened": False})


@pytest.mark.parametrize("status", [401, 404])
async def test_an_app_that_does_not_know_its_ready_path_fails_the_golden_path(
    user: Visitor, events: Recorder, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(visitor, "ASK_AGAIN_S", 0.001)
    events.emit("app", "startup.completed", attempt=1)
    app = App(status)
    async with app.serve() as life:
        await user.visit(life)

    assert app.asked == ["/health/ready"] * visitor.MAX_REFUSALS
    assert user.finished.is_set()
    (answered,) = [e for e in events.events if e.kind == "probe.answered"]
    assert answered.data["status_code"] == status
    (failed,) = [e for e in events.events if e.kind == "golden.failed"]
    assert f"GET /health/ready answered {status}" in failed.data["why"]


@pytest.mark.parametrize(("status", "has_started"), [(404, False), (503, True)])
async def test_an_app_that_may_become_ready_is_asked_until_it_ends(
    user: Visitor,
    events: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    has_started: bool,
) -> None:
    monkeypatch.setattr(visitor, "ASK_AGAIN_S", 0.001)
    monkeypatch.setattr(visitor, "ASK_EVERY_S", 0.001)
    if has_started:
        events.emit("app", "startup.completed", attempt=1)
    app = App(status)
    async with app.serve() as life:
        visiting = asyncio.create_task(user.visit(life))
        await app.often.wait()
        life.ended.set()
        await visiting

    assert not user.finished.is_set()
    assert not [e for e in events.events if e.kind == "golden.failed"]

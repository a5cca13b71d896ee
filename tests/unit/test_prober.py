"""The prober against real servers on loopback and real commands."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from memory_recorder import recorder

from crashloop.clock import REAL_TIME, TimeScale
from crashloop.errors import UsageError
from crashloop.model import Life, Probe, ProbeKind
from crashloop.platforms import parse_platform
from crashloop.platforms.probes import Purpose
from crashloop.supervisor.command import run_command
from crashloop.supervisor.prober import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from crashloop.supervisor.ask import RunCommand
    from crashloop.supervisor.life import LifeProcess
    from crashloop.trace.event import Event

KUBERNETES = parse_platform("kubernetes")
LIFE = Life(1, 1)
TCP = Probe(kind=ProbeKind.TCP, period_s=0.01, timeout_s=4.0)
HTTP = replace(TCP, kind=ProbeKind.HTTP, path="/health")
COMMAND = replace(TCP, kind=ProbeKind.COMMAND, command=("the command",))
OK = "200 OK"


class At:
    """A life at an address."""

    pid = 1

    def __init__(self, address: tuple[str, int] | None) -> None:
        self.address = address


class Server:
    """A server of HTTP whose answers a test may change; None holds the answer."""

    def __init__(self) -> None:
        self.status: str | None = OK
        self.body = b"{}"
        self.requests: list[str] = []
        self.address = ("127.0.0.1", 0)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode().splitlines()[0])
            if self.status is not None:
                writer.write(f"HTTP/1.1 {self.status}\r\nLocation: /elsewhere\r\n\r\n".encode())
                writer.write(self.body)
            else:
                await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0) as listening:
        server.address = listening.sockets[0].getsockname()
        yield server


class Watched:
    """What a prober says about one life."""

    def __init__(
        self,
        address: tuple[str, int] | None,
        *,
        command: RunCommand | None = None,
        scale: float = REAL_TIME,
        **probes: Probe,
    ) -> None:
        fields: dict[str, Any] = dict(probes)
        self.recorder = recorder()
        self.killed: asyncio.Future[Purpose] = asyncio.get_running_loop().create_future()
        self.process = cast("LifeProcess", At(address))
        self.prober = Prober(
            platform=replace(KUBERNETES, **fields),
            scale=TimeScale(factor=scale),
            recorder=self.recorder,
            run_command=command,
        )

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(e.kind.removeprefix("probe."), e.data["probe"]) for e in self.recorder.events]

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Probe while entered, for at most 5 s."""
        started_ns = time.monotonic_ns()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            kill = self.killed.set_result
            task = group.create_task(self.prober.watch(self.process, LIFE, started_ns, kill))
            yield
            task.cancel()

    async def seen(self, kind: str, **data: object) -> Event:
        """The first such event, waiting for it if need be."""
        found: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def listen(event: Event) -> None:
            if event.kind == kind and data.items() <= event.data.items() and not found.done():
                found.set_result(event)

        for event in self.recorder.events:
            listen(event)
        self.recorder.subscribe(listen)
        return await found


async def until_killed(watched: Watched) -> list[Event]:
    """The results of a life that its probe wants ended."""
    async with watched.watching():
        await watched.killed
    return [e for e in watched.recorder.events if e.kind == "probe.result"]


async def test_a_port_that_opens_late_passes_the_startup_probe_when_it_is_open() -> None:
    async with serving() as server:
        port = server.address
    watched = Watched(port, startup=replace(TCP, failures=1000))
    async with watched.watching():
        await watched.seen("probe.result", ok=False, why="ConnectionRefusedError")
        assert ("passed", "startup") not in watched.events
        async with await asyncio.start_server(Server().answer, *port):
            passed = await watched.seen("probe.passed", probe="startup")
    assert passed.life == LIFE
    assert passed.data["after_s"] > 0


async def test_a_probe_that_keeps_trying_passes_as_soon_as_the_port_is_open() -> None:
    async with serving() as server:
        port = server.address
    trying = replace(TCP, period_s=240.0, timeout_s=240.0, failures=1, keeps_trying=True)
    watched = Watched(port, startup=trying)
    async with watched.watching(), await asyncio.start_server(Server().answer, *port):
        await watched.seen("probe.passed", probe="startup")
    assert watched.events == [("result", "startup"), ("passed", "startup")]


async def test_a_probe_that_keeps_trying_ends_the_life_after_its_timeout() -> None:
    async with serving() as server:
        port = server.address
    trying = replace(TCP, period_s=240.0, timeout_s=0.6, failures=1, keeps_trying=True)
    (result,) = await until_killed(watched := Watched(port, startup=trying))
    assert result.data["why"] == "ConnectionRefusedError"
    failed = await watched.seen("probe.failed", probe="startup", failures=1)
    assert 0.6 <= failed.data["after_s"] < 2


async def test_no_other_probe_runs_before_the_startup_probe_has_passed() -> None:
    async with serving() as server:
        server.status = "503 Service Unavailable"
        probe = replace(HTTP, failures=1000)
        watched = Watched(
            server.address,
            startup=probe,
            liveness=replace(probe, path="/live"),
            readiness=replace(probe, path="/ready"),
        )
        async with watched.watching():
            await watched.seen("probe.result", failures=5)
            assert {purpose for _, purpose in watched.events} == {"startup"}
            server.status = OK
            await watched.seen("probe.passed", probe="liveness")
            await watched.seen("probe.passed", probe="readiness")
        at = server.requests.index("GET /live HTTP/1.1")
        assert "GET /health HTTP/1.1" in server.requests[:at]
        assert "GET /health HTTP/1.1" not in server.requests[at:]


async def test_failures_in_a_row_end_the_life_and_say_why() -> None:
    async with serving() as server:
        server.status = "500 Internal Server Error"
        watched = Watched(server.address, liveness=HTTP)
        results = await until_killed(watched)
    assert [(e.data["failures"], e.data["why"]) for e in results] == [
        (1, "status 500"),
        (2, "status 500"),
        (3, "status 500"),
    ]
    assert watched.killed.result() is Purpose.LIVENESS
    failed = await watched.seen("probe.failed", probe="liveness", failures=3)
    assert failed.data["after_s"] > 0


async def test_a_readiness_probe_that_fails_leaves_the_life_alone() -> None:
    async with serving() as server:
        watched = Watched(server.address, readiness=HTTP)
        async with watched.watching():
            await watched.seen("probe.passed")
            server.status = "503 Service Unavailable"
            await watched.seen("probe.failed", probe="readiness")
            server.status = OK
            await watched.seen("probe.result", ok=True, failures=0)
    assert not watched.killed.done()
    assert watched.events.count(("passed", "readiness")) == 1


@pytest.mark.parametrize("status", ["204 No Content", "302 Found", "399 Odd"])
async def test_any_status_from_200_to_399_passes_and_no_redirect_is_followed(status: str) -> None:
    async with serving() as server:
        server.status, server.body = status, b""
        watched = Watched(server.address, liveness=HTTP)
        async with watched.watching():
            await watched.seen("probe.passed")
    assert set(server.requests) == {"GET /health HTTP/1.1"}


async def test_an_answer_is_not_read_without_end() -> None:
    async with serving() as server:
        server.body = b"x" * 20_000_000
        watched = Watched(server.address, liveness=HTTP)
        async with watched.watching():
            await watched.seen("probe.passed")


async def test_a_probe_has_half_a_second_however_fast_the_run() -> None:
    async with serving() as server:
        server.status = None
        watched = Watched(server.address, liveness=replace(HTTP, failures=1), scale=1000)
        watched.prober.plan()
        (result,) = await until_killed(watched)
    planned = await watched.seen("probe.planned")
    assert planned.data["timeout_wall_s"] == 0.5
    assert planned.data["period_wall_s"] == pytest.approx(0.00001)
    assert result.data["why"] == "no answer within 0.5 s"
    assert (await watched.seen("probe.failed")).data["after_s"] >= 0.5


async def test_what_is_no_http_fails_the_probe() -> None:
    async with serving() as server:
        server.status = "good"
        results = await until_killed(Watched(server.address, liveness=HTTP))
    assert {e.data["why"] for e in results} == {"RemoteProtocolError"}


async def test_a_life_without_an_address_fails_its_probes() -> None:
    results = await until_killed(Watched(None, startup=TCP))
    assert {e.data["why"] for e in results} == {"its address is not known"}


async def test_a_command_probe_runs_in_the_apps_folder_and_environment(tmp_path: Path) -> None:
    async def command(_: LifeProcess, words: Sequence[str]) -> int:
        return await run_command(words, folder=tmp_path, environment={"READY_FILE": "ready"})

    probe = replace(COMMAND, command=("/bin/sh", "-c", 'test -e "$READY_FILE"'), failures=1000)
    watched = Watched(None, readiness=probe, command=command)
    async with watched.watching():
        await watched.seen("probe.result", ok=False, why="exit status 1")
        (tmp_path / "ready").touch()
        await watched.seen("probe.passed")


async def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    both_run, both_ended = asyncio.Event(), asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        both_run.set()
        await reader.read()  # the connection closes when its last holder has ended
        both_ended.set()
        writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(hear, "127.0.0.1", 0) as listening:
        hangs = (
            "import os, socket, time;"
            f"calling = socket.create_connection({listening.sockets[0].getsockname()});"
            "os.fork(); calling.send(b'x'); time.sleep(60)"
        )
        words = (sys.executable, "-c", hangs)
        running = asyncio.create_task(run_command(words, folder=tmp_path, environment={}))
        await both_run.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await both_ended.wait()


def test_a_command_probe_without_an_engine_that_runs_commands_is_refused() -> None:
    with pytest.raises(UsageError, match="the startup probe runs a command"):
        Prober(
            platform=replace(KUBERNETES, startup=COMMAND),
            scale=TimeScale(),
            recorder=recorder(),
        )

"""Hold, latency, refusal, black hole and connect delay, with real sockets and their receipts."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from crashloop.errors import CapabilityError, UsageError
from crashloop.proxy import (
    Address,
    BlackHole,
    ConnectDelay,
    FaultProxy,
    Hold,
    Latency,
    Refuse,
)

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
LIMIT_S = 20
LOOPBACK = ("127.0.0.1", 0)
kernel = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernel receipts: Linux")


class Recorder:
    """Keeps events, lets a test wait for one, and has the processes to watch."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.pids = [os.getpid()]
        self._news = asyncio.Event()

    def __call__(self, kind: str, data: dict[str, object], /) -> int:
        json.dumps(data)
        self.events.append((kind, dict(data)))
        self._news.set()
        return len(self.events)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, data in self.events if each == kind]

    async def wait(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(LIMIT_S):
            while len(self.of(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.of(kind)


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


@contextlib.asynccontextmanager
async def proxied(
    listen: str | tuple[str, int] = LOOPBACK,
) -> AsyncIterator[tuple[FaultProxy, Recorder]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, *LOOPBACK)
    upstream = server.sockets[0].getsockname()
    recorder = Recorder()
    try:
        async with FaultProxy(
            listen=listen, upstream=upstream, emit=recorder, watch_pids=lambda: recorder.pids
        ) as proxy:
            yield proxy, recorder
    finally:
        server.close()


class Client:
    """One connection to a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def reach(cls, address: Address) -> "Client":
        if address.path:
            return cls(*await asyncio.open_unix_connection(address.path))
        return cls(*await asyncio.open_connection(address.host, address.port))

    async def ask(self, question: bytes) -> bytes:
        self.writer.write(question)
        return await self.reader.readexactly(len(question))


@pytest.fixture(params=["tcp", "unix"])
def listen(request: pytest.FixtureRequest, folder: Path) -> str | tuple[str, int]:
    return str(folder / "in") if request.param == "unix" else LOOPBACK


def test_held_clients_are_released_together_at_the_heal_once_each(
    run: Run, listen: str | tuple[str, int]
) -> None:
    async def scenario() -> None:
        async with proxied(listen) as (proxy, recorder):
            before = await Client.reach(proxy.address)
            await before.ask(b"open")
            await proxy.inject("hold", Hold())
            held = [await Client.reach(proxy.address) for _ in range(3)]
            asking = [asyncio.create_task(each.ask(b"early words")) for each in held]
            await recorder.wait("link.held", 3)
            assert await before.ask(b"untouched") == b"untouched"
            assert len(recorder.of("link.connected")) == 1
            assert not any(task.done() for task in asking)
            await proxy.heal("hold")
            released = recorder.of("link.released")
            assert await asyncio.gather(*asking) == [b"early words"] * 3
            assert [each["reason"] for each in released] == ["healed"] * 3
            assert len({each["link"] for each in released}) == 3
            after = await Client.reach(proxy.address)
            assert await after.ask(b"ordinary") == b"ordinary"
            assert len(recorder.of("link.released")) == len(recorder.of("link.held")) == 3
            for each in (before, after, *held):
                each.writer.close()

    run(scenario)


def test_a_hold_with_a_delay_releases_each_client_then_and_never_before(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("hold", Hold(delay_s=0.05))
            for _ in range(4):
                client = await Client.reach(proxy.address)
                assert await client.ask(b"x") == b"x"
                client.writer.close()
            await proxy.heal("hold")
        released = recorder.of("link.released")
        assert [each["reason"] for each in released] == ["delay"] * 4
        assert all(0.05 <= each["held_s"] < 1 for each in released)

    run(scenario)


def test_a_client_that_leaves_while_held_is_recorded_at_once_and_never_dialled(
    run: Run, listen: str | tuple[str, int]
) -> None:
    async def scenario() -> None:
        async with proxied(listen) as (proxy, recorder):
            await proxy.inject("hold", Hold(delay_s=60))
            client = await Client.reach(proxy.address)
            client.writer.write(b"start-up packet")
            await recorder.wait("link.held")
            client.writer.close()
            (released,) = await recorder.wait("link.released")
            (closed,) = await recorder.wait("link.closed")
            assert (released["reason"], closed["by"]) == ("client closed", "client")
            await proxy.heal("hold")
            assert len(recorder.of("link.released")) == 1
            assert recorder.of("link.connected") == []

    run(scenario)


def test_latency_delays_every_chunk_of_an_open_link_and_its_heal_frees_what_waits(
    run: Run,
) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            client = await Client.reach(proxy.address)
            await client.ask(b"open")
            await proxy.inject("slow", Latency(latency_s=0.03))
            for number in range(5):
                begun = time.monotonic()
                assert await client.ask(b"%d" % number) == b"%d" % number
                assert time.monotonic() - begun >= 0.03
            await proxy.inject("stuck", Latency(latency_s=60, direction="upstream"))
            asking = asyncio.create_task(client.ask(b"kept back"))
            await asyncio.sleep(0)
            await proxy.heal("slow")
            await proxy.heal("stuck")
            assert await asking == b"kept back"
            client.writer.close()
            (closed,) = await recorder.wait("link.closed")
        receipts = [each for each in recorder.of("link.delayed") if each["fault"] == "slow"]
        assert [each["chunk"] for each in receipts] == [1, 2, 3]
        assert all(0.03 <= each["delay_s"] < 1 for each in receipts)
        slow = closed["delays"][0]
        assert (slow["fault"], slow["direction"], slow["chunks"]) == ("slow", "downstream", 5)

    run(scenario)


def test_a_refusal_resets_open_links_refuses_new_ones_and_keeps_the_address(
    run: Run, listen: str | tuple[str, int]
) -> None:
    async def scenario() -> None:
        async with proxied(listen) as (proxy, recorder):
            client = await Client.reach(proxy.address)
            await client.ask(b"open")
            address = proxy.address
            for round_number in range(3):
                await proxy.inject("down", Refuse())
                with pytest.raises(ConnectionRefusedError):
                    await Client.reach(address)
                if not address.path:
                    _assert_taken(address)
                await proxy.heal("down")
                again = await Client.reach(address)
                assert await again.ask(b"back") == b"back"
                again.writer.close()
                await recorder.wait("link.closed", 2 + round_number)
            with contextlib.suppress(ConnectionResetError):
                assert await client.reader.read(1) == b""
            client.writer.close()
        assert {each["observed"] for each in recorder.of("gate.checked")} == {"refused"}
        assert recorder.of("link.closed")[0]["by"] == "proxy"

    run(scenario)


def _assert_taken(address: Address) -> None:
    for option in (None, socket.SO_REUSEADDR):
        with socket.socket() as thief:
            if option is not None:
                thief.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind((address.host, address.port))


CONNECT = """
import socket, sys, time
s = socket.socket()
s.settimeout(float(sys.argv[2]))
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"x")
    print("served" if s.recv(1) == b"x" else "closed")
except TimeoutError:
    print("timeout")
"""


async def knock(
    proxy: FaultProxy, recorder: Recorder, limit_s: float
) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", CONNECT, str(proxy.address.port), str(limit_s)),
        stdout=subprocess.PIPE,
    )
    recorder.pids.append(child.pid)
    return child


@kernel
def test_a_black_hole_drops_the_syn_of_a_child_names_it_and_spares_open_links(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            client = await Client.reach(proxy.address)
            await client.ask(b"open")
            await proxy.inject("hole", BlackHole())
            child = await knock(proxy, recorder, 0.4)
            (seen,) = await recorder.wait("gate.syn_seen")
            assert await client.ask(b"untouched") == b"untouched"
            (gone,) = await recorder.wait("gate.syn_gone")
            out, _ = await child.communicate()
            await proxy.heal("hole")
            client.writer.close()
        assert out == b"timeout\n"
        assert (seen["fault"], seen["pid"]) == ("hole", child.pid)
        assert (gone["inode"], gone["reason"]) == (seen["inode"], "gone")
        assert 0.3 < (gone["last_ns"] - gone["first_ns"]) / 1e9 < 0.5
        assert recorder.of("gate.checked") == [{"fault": "hole", "observed": "no answer"}]
        assert len(recorder.of("link.opened")) == 1

    run(scenario)


@kernel
def test_after_a_black_hole_a_waiting_client_comes_in_by_its_retransmission(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("hole", BlackHole())
            child = await knock(proxy, recorder, 10)
            await recorder.wait("gate.syn_seen")
            await proxy.heal("hole")
            (admitted,) = await recorder.wait("gate.admitted")
            out, _ = await child.communicate()
            ordinary = await Client.reach(proxy.address)
            assert await ordinary.ask(b"x") == b"x"
            ordinary.writer.close()
        assert out == b"served\n"
        assert admitted["pid"] == child.pid
        assert admitted["released_ns"] < admitted["connected_ns"]
        assert admitted["waited_s"] > 0.5
        assert [each["reason"] for each in recorder.of("gate.syn_gone")] == ["admitted"]
        assert recorder.of("link.opened")[0]["link"] == admitted["link"]

    run(scenario)


@kernel
def test_a_connect_delay_lets_each_client_in_after_its_time_and_shuts_again(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("late", ConnectDelay(delay_s=0.3))
            for number in (1, 2):
                begun = time.monotonic()
                client = await Client.reach(proxy.address)
                assert time.monotonic() - begun >= 0.3
                assert await client.ask(b"x") == b"x"
                client.writer.close()
                await recorder.wait("gate.shut", number)
            await proxy.heal("late")
            begun = time.monotonic()
            client = await Client.reach(proxy.address)
            assert time.monotonic() - begun < 0.3
            client.writer.close()
        admitted = recorder.of("gate.admitted")
        assert len(admitted) == 2
        assert all(each["waited_s"] >= 0.3 for each in admitted)
        assert all(each["released_ns"] < each["connected_ns"] for each in admitted)
        assert recorder.of("link.held") == []

    run(scenario)


@kernel
def test_a_client_that_slips_through_a_connect_delay_is_held_for_its_time(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("late", ConnectDelay(delay_s=0.5))
            assert proxy._gate is not None
            proxy._gate.unshut()  # type: ignore[union-attr]
            begun = time.monotonic()
            client = await Client.reach(proxy.address)
            assert await client.ask(b"x") == b"x"
            assert time.monotonic() - begun >= 0.5
            client.writer.close()
            await proxy.heal("late")
        (released,) = recorder.of("link.released")
        assert released["reason"] == "delay"

    run(scenario)


@kernel
def test_nothing_opens_for_a_client_that_gave_up_before_its_time(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("late", ConnectDelay(delay_s=0.6))
            child = await knock(proxy, recorder, 0.2)
            await recorder.wait("gate.syn_gone")
            await child.communicate()
            probe = await asyncio.open_connection(proxy.address.host, proxy.address.port)
            probe[1].close()
        assert len(recorder.of("gate.admitted")) == 1
        assert recorder.of("gate.syn_gone")[0]["reason"] == "gone"

    run(scenario)


@kernel
def test_clients_that_race_the_shutting_gate_are_served_or_wait(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            clients = [asyncio.create_task(Client.reach(proxy.address)) for _ in range(20)]
            await proxy.inject("hole", BlackHole())
            await asyncio.sleep(0)
            await proxy.heal("hole")
            for client in await asyncio.gather(*clients):
                assert await client.ask(b"x") == b"x"
                client.writer.close()
        assert len(recorder.of("link.opened")) == 20

    run(scenario)


def test_a_black_hole_on_a_unix_socket_is_declined_and_a_hold_advised(
    run: Run, folder: Path
) -> None:
    async def scenario() -> None:
        async with proxied(str(folder / "in")) as (proxy, recorder):
            for fault in (BlackHole(), ConnectDelay(delay_s=1)):
                with pytest.raises(CapabilityError, match="Use Hold"):
                    await proxy.inject("hole", fault)
            client = await Client.reach(proxy.address)
            assert await client.ask(b"x") == b"x"
            client.writer.close()
        assert [kind for kind, _ in recorder.events if kind.startswith("gate")] == []

    run(scenario)


def test_one_gate_has_one_fault_and_a_name_is_used_once(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, _):
            await proxy.inject("down", Refuse())
            with pytest.raises(UsageError, match="'down' has the gate"):
                await proxy.inject("hole", BlackHole())
            with pytest.raises(UsageError, match="already"):
                await proxy.inject("down", Hold())
            with pytest.raises(UsageError, match="no fault 'hole'"):
                await proxy.heal("hole")

    run(scenario)


@kernel
def test_leaving_the_proxy_with_faults_on_leaves_nothing_behind(run: Run) -> None:
    async def scenario() -> None:
        async with proxied() as (proxy, recorder):
            await proxy.inject("hold", Hold())
            held = await Client.reach(proxy.address)
            await recorder.wait("link.held")
            await proxy.inject("slow", Latency(latency_s=60))
            await proxy.inject("hole", BlackHole())
            waiting = asyncio.create_task(Client.reach(proxy.address))
            await recorder.wait("gate.syn_seen")
        (released,) = recorder.of("link.released")
        assert released["reason"] == "proxy closed"
        assert recorder.of("gate.syn_gone")[0]["reason"] == "unwatched"
        with pytest.raises(ConnectionRefusedError):
            await waiting
        held.writer.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in left if "serve" not in repr(task)]

    run(scenario)

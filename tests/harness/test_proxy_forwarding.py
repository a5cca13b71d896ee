"""The healthy proxy, and its behaviour under bad input, with real sockets."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from proxied import LOOPBACK, Recorder, Run

from crashloop.errors import UsageError
from crashloop.proxy import Address, FaultProxy, Latency

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, listen: Path | None = None) -> AsyncIterator[Address]:
    if listen is None:
        server = await asyncio.start_server(handler, *LOOPBACK)
        address = Address.of(server.sockets[0].getsockname())
    else:
        server = await asyncio.start_unix_server(handler, listen)
        address = Address.of(str(listen))
    try:
        yield address
    finally:
        server.close()


@contextlib.asynccontextmanager
async def echo(listen: Path | None = None) -> AsyncIterator[Address]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async with serving(serve, listen) as address:
        yield address


async def reach(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path:
        return await asyncio.open_unix_connection(address.path)
    return await asyncio.open_connection(address.host, address.port)


@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize("latency", [None, 0.002])
def test_bytes_arrive_complete_and_in_order_however_they_are_cut(
    run: Run, folder: Path, transport: str, latency: float | None
) -> None:
    draws = random.Random(20261124)  # noqa: S311  a test's seed
    sent = draws.randbytes(3_000_000)

    async def send(writer: asyncio.StreamWriter) -> None:
        at = 0
        while at < len(sent):
            size = draws.choice([1, 7, 100, 4096, 65536, 300_000])
            writer.write(sent[at : at + size])
            await writer.drain()
            at += size
        writer.write_eof()

    async def scenario() -> None:
        unix = transport == "unix"
        recorder = Recorder()
        async with (
            echo(folder / "up" if unix else None) as upstream,
            FaultProxy(
                listen=str(folder / "in") if unix else LOOPBACK, upstream=upstream, emit=recorder
            ) as proxy,
        ):
            if latency is not None:
                await proxy.inject("slow", Latency(latency_s=latency, jitter_s=latency))
            reader, writer = await reach(proxy.address)
            sending = asyncio.create_task(send(writer))
            received = await reader.read(-1)
            await sending
            writer.close()
            (closed,) = await recorder.wait("link.closed")
        assert received == sent
        assert (closed["bytes_up"], closed["bytes_down"]) == (len(sent), len(sent))
        assert closed["by"] == "client"
        assert closed["opened_ns"] < closed["first_byte_up_ns"] < closed["first_byte_down_ns"]
        if latency is not None:
            (delays,) = closed["delays"]
            assert delays["chunks"] > 3
            assert len(recorder.of("link.delayed")) == 3

    run(scenario)


def test_a_half_close_reaches_the_upstream_and_its_answer_still_comes_back(run: Run) -> None:
    async def scenario() -> None:
        async def answer_at_the_end(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            question = await reader.read(-1)
            writer.write(b"answer to " + question)
            writer.close()

        async with (
            serving(answer_at_the_end) as upstream,
            FaultProxy(listen=LOOPBACK, upstream=upstream, emit=Recorder()) as proxy,
        ):
            reader, writer = await reach(proxy.address)
            writer.write(b"question")
            writer.write_eof()
            assert await reader.read(-1) == b"answer to question"
            writer.close()

    run(scenario)


def test_a_unix_client_is_named_by_its_process(run: Run, folder: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("SO_PEERCRED is Linux's")

    async def scenario() -> None:
        recorder = Recorder()
        path = folder / "in"
        async with (
            echo() as upstream,
            FaultProxy(listen=str(path), upstream=upstream, emit=recorder),
        ):
            code = "import socket,sys; s=socket.socket(1); s.connect(sys.argv[1]); s.recv(1)"
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
            (opened,) = await recorder.wait("link.opened")
            assert opened["client_pid"] == child.pid
            child.kill()
            await child.wait()
            await recorder.wait("link.closed")
        assert not path.exists()

    run(scenario)


def test_over_tcp_a_child_of_a_watched_process_is_named_with_its_session(run: Run) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux's socket table")
    connect = "import socket,sys; s=socket.create_connection(sys.argv[1:]); s.recv(1)"
    fork = "import os; os.fork() and (os.wait(), os._exit(0))"

    async def scenario() -> None:
        recorder = Recorder()
        watched: list[int] = []
        async with (
            echo() as upstream,
            FaultProxy(
                listen=LOOPBACK, upstream=upstream, emit=recorder, watch_pids=lambda: watched
            ) as proxy,
        ):
            parent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", f"input(); {fork}; {connect}"),
                *(proxy.address.host, str(proxy.address.port)),
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            watched.append(parent.pid)
            assert parent.stdin is not None
            parent.stdin.write(b"\n")
            (opened,) = await recorder.wait("link.opened")
            os.killpg(parent.pid, signal.SIGKILL)
            await parent.wait()
            await recorder.wait("link.closed")
        assert opened["client_pid"] != parent.pid
        assert opened["client_session"] == parent.pid

    run(scenario)


def test_a_client_is_reset_with_a_receipt_when_the_upstream_refuses(run: Run) -> None:
    async def scenario() -> None:
        with socket.socket() as bound:
            bound.bind(LOOPBACK)
            recorder = Recorder()
            async with FaultProxy(
                listen=LOOPBACK, upstream=bound.getsockname(), emit=recorder
            ) as proxy:
                reader, writer = await reach(proxy.address)
                with pytest.raises(ConnectionResetError):
                    await reader.read(1)
                writer.close()
                (failed,) = await recorder.wait("link.failed")
                (closed,) = await recorder.wait("link.closed")
        assert failed["error"] == "ECONNREFUSED"
        assert closed["by"] == "upstream"
        assert recorder.of("link.connected") == []

    run(scenario)


def test_a_client_is_reset_when_the_name_of_the_upstream_cannot_be_looked_up(run: Run) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        too_long = ("x" * 64, 5432)
        async with FaultProxy(listen=LOOPBACK, upstream=too_long, emit=recorder) as proxy:
            reader, writer = await reach(proxy.address)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            writer.close()
            (failed,) = await recorder.wait("link.failed")
        assert failed["error"] == "OSError"

    run(scenario)


def test_an_upstream_that_never_answers_is_given_up_at_the_limit(run: Run) -> None:
    async def scenario() -> None:
        with socket.create_server(LOOPBACK, backlog=0) as silent:
            filler = await asyncio.open_connection(*silent.getsockname())
            recorder = Recorder()
            async with FaultProxy(
                listen=LOOPBACK, upstream=silent.getsockname(), emit=recorder, dial_limit_s=0.1
            ) as proxy:
                _, writer = await reach(proxy.address)
                (failed,) = await recorder.wait("link.failed")
                writer.close()
            filler[1].close()
        assert failed["error"] == "TimeoutError"
        assert failed["after_s"] >= 0.099  # uvloop's timers may be 0.86 ms early

    run(scenario)


def test_a_client_that_never_reads_is_not_buffered_without_bound(run: Run) -> None:
    async def scenario() -> None:
        poured = 0
        stuck = asyncio.Event()

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal poured
            with contextlib.suppress(ConnectionError):
                while not stuck.is_set():
                    writer.write(bytes(65536))
                    try:
                        await asyncio.wait_for(writer.drain(), 0.3)
                    except TimeoutError:
                        stuck.set()
                    poured += 65536
            writer.transport.abort()

        async with (
            serving(pour) as upstream,
            FaultProxy(listen=LOOPBACK, upstream=upstream, emit=Recorder()) as proxy,
        ):
            with socket.create_connection((proxy.address.host, proxy.address.port)):
                await stuck.wait()
                assert proxy.links == 1
        assert poured < 100_000_000

    run(scenario)


def test_leaving_the_proxy_closes_every_link_and_releases_the_port(run: Run) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        async with echo() as upstream:
            async with FaultProxy(listen=LOOPBACK, upstream=upstream, emit=recorder) as proxy:
                clients = [await reach(proxy.address) for _ in range(5)]
                await recorder.wait("link.connected", 5)
                address = proxy.address
            assert {each["by"] for each in recorder.of("link.closed")} == {"proxy"}
            assert len(recorder.of("link.closed")) == 5
            for reader, writer in clients:
                with pytest.raises(ConnectionResetError):
                    await reader.read(1)
                writer.close()
            async with FaultProxy(listen=address, upstream=upstream, emit=recorder) as again:
                assert again.address == address

    run(scenario)


@pytest.mark.parametrize("occupied_by", ["listener", "proxy", "file"])
def test_an_address_in_use_is_refused_and_left_alone(
    run: Run, folder: Path, occupied_by: str
) -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            listen: Address
            if occupied_by == "file":
                (folder / "in").write_text("kept")
                listen = Address.of(str(folder / "in"))
            elif occupied_by == "listener":
                listen = await stack.enter_async_context(echo())
            else:
                other = FaultProxy(listen=LOOPBACK, upstream=LOOPBACK, emit=Recorder())
                listen = (await stack.enter_async_context(other)).address
            proxy = FaultProxy(listen=listen, upstream=("127.0.0.1", 1), emit=Recorder())
            with pytest.raises(UsageError, match=r"in use|exists already"):
                await proxy.__aenter__()
        if occupied_by == "file":
            assert (folder / "in").read_text() == "kept"

    run(scenario)


STARVED = """
import asyncio, concurrent.futures.thread, json, resource, socket, sys
from crashloop.proxy import FaultProxy

async def main() -> None:
    events, fed = [], asyncio.Event()
    def emit(kind, data):
        events.append(kind)
        if kind == "gate.fed":
            fed.set()
        return len(events)
    port = int(sys.argv[1])
    async with FaultProxy(listen=("127.0.0.1", 0), upstream=("127.0.0.1", port), emit=emit) as p:
        print(p.address.port, flush=True)
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        await asyncio.wait_for(fed.wait(), 15)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps(events), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("limit", [30, 31], ids=["even", "odd"])
def test_without_descriptors_clients_wait_their_turn_and_none_is_lost(run: Run, limit: int) -> None:
    async def scenario() -> None:
        async with echo() as upstream:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-c", STARVED, str(upstream.port), str(limit)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None
            port = int(await child.stdout.readline())

            async def visit(number: int) -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"%03d" % number)
                answer = await reader.readexactly(3)
                writer.close()
                return answer

            answers = await asyncio.gather(*(visit(number) for number in range(60)))
            out, _ = await child.communicate(b"\n")
        assert answers == [b"%03d" % number for number in range(60)]
        events = json.loads(out)
        assert events.count("link.closed") == events.count("link.opened") == 60
        starved, fed = events.count("gate.starved"), events.count("gate.fed")
        assert starved >= 1
        assert 0 <= starved - fed <= 1, "only the last one may have had nobody left to feed"
        assert "link.failed" not in events

    run(scenario)

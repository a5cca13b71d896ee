"""The healthy proxy, and its behaviour under bad input, with real sockets."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from pathlib import Path

import pytest
from proxied import LOOPBACK, Client, Recorder, kernel, proxied

from crashloop.errors import UsageError
from crashloop.proxy import Address, FaultProxy, Latency

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


@pytest.mark.parametrize("latency", [None, 0.002])
async def test_bytes_arrive_complete_and_in_order_however_they_are_cut(
    listen: str | tuple[str, int], latency: float | None
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

    async with proxied(listen) as (proxy, recorder):
        if latency is not None:
            await proxy.inject("slow", Latency(latency_s=latency, jitter_s=latency))
        client = await Client.reach(proxy.address)
        sending = asyncio.create_task(send(client.writer))
        received = await client.reader.read(-1)
        await sending
        client.writer.close()
        (closed,) = await recorder.wait("link.closed")
    assert received == sent
    assert (closed["bytes_up"], closed["bytes_down"]) == (len(sent), len(sent))
    assert closed["by"] == "client"
    assert closed["opened_ns"] < closed["first_byte_up_ns"] < closed["first_byte_down_ns"]
    if latency is not None:
        (delays,) = closed["delays"]
        assert delays["chunks"] > 3
        assert len(recorder.of("link.delayed")) == 3


@kernel
async def test_a_unix_client_is_named_by_its_process(folder: Path) -> None:
    path = folder / "in"
    async with proxied(str(path)) as (_, recorder):
        code = "import socket,sys; s=socket.socket(1); s.connect(sys.argv[1]); s.recv(1)"
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
        (opened,) = await recorder.wait("link.opened")
        child.kill()
        await child.wait()
        await recorder.wait("link.closed")
    assert opened["client_pid"] == child.pid
    assert not path.exists()


@kernel
async def test_over_tcp_a_child_of_a_watched_process_is_named_with_its_session() -> None:
    connect = "import socket,sys; s=socket.create_connection(sys.argv[1:]); s.recv(1)"
    fork = "import os; os.fork() and (os.wait(), os._exit(0))"
    async with proxied() as (proxy, recorder):
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", f"input(); {fork}; {connect}"),
            *(proxy.address.host, str(proxy.address.port)),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        recorder.pids[:] = [parent.pid]
        assert parent.stdin is not None
        parent.stdin.write(b"\n")
        (opened,) = await recorder.wait("link.opened")
        os.killpg(parent.pid, signal.SIGKILL)
        await parent.wait()
        await recorder.wait("link.closed")
    assert opened["client_pid"] != parent.pid
    assert opened["client_session"] == parent.pid


async def test_a_client_is_reset_when_the_name_of_the_upstream_cannot_be_looked_up() -> None:
    recorder = Recorder()
    too_long = ("x" * 64, 5432)
    async with FaultProxy(listen=LOOPBACK, upstream=too_long, emit=recorder) as proxy:
        client = await Client.reach(proxy.address)
        with pytest.raises(ConnectionResetError):
            await client.reader.read(1)
        client.writer.close()
        (failed,) = await recorder.wait("link.failed")
    assert failed["error"] == "OSError"


async def test_an_upstream_that_never_answers_is_given_up_at_the_limit() -> None:
    recorder = Recorder()
    with socket.create_server(LOOPBACK, backlog=0) as silent:
        filler = await asyncio.open_connection(*silent.getsockname())
        async with FaultProxy(
            listen=LOOPBACK, upstream=silent.getsockname(), emit=recorder, dial_limit_s=0.1
        ) as proxy:
            client = await Client.reach(proxy.address)
            (failed,) = await recorder.wait("link.failed")
            client.writer.close()
        filler[1].close()
    assert failed["error"] == "TimeoutError"
    assert failed["after_s"] >= 0.099  # uvloop's timers may be 0.86 ms early


async def test_a_client_that_never_reads_is_not_buffered_without_bound() -> None:
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

    server = await asyncio.start_server(pour, *LOOPBACK)
    upstream = server.sockets[0].getsockname()
    async with server, FaultProxy(listen=LOOPBACK, upstream=upstream, emit=Recorder()) as proxy:
        with socket.create_connection((proxy.address.host, proxy.address.port)):
            await stuck.wait()
            assert proxy.links == 1
    assert poured < 100_000_000


async def test_leaving_the_proxy_closes_every_link_and_releases_the_port() -> None:
    async with proxied() as (proxy, recorder):
        clients = [await Client.reach(proxy.address) for _ in range(5)]
        await recorder.wait("link.connected", 5)
        address = proxy.address
    assert [each["by"] for each in recorder.of("link.closed")] == ["proxy"] * 5
    for client in clients:
        with pytest.raises(ConnectionResetError):
            await client.reader.read(1)
        client.writer.close()
    async with FaultProxy(listen=address, upstream=LOOPBACK, emit=recorder) as again:
        assert again.address == address


@pytest.mark.parametrize("occupied_by", ["listener", "proxy", "file"])
async def test_an_address_in_use_is_refused_and_left_alone(folder: Path, occupied_by: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if occupied_by == "file":
            (folder / "in").write_text("kept")
            listen = Address.of(str(folder / "in"))
        elif occupied_by == "listener":
            server = stack.enter_context(socket.create_server(LOOPBACK))
            listen = Address.of(server.getsockname())
        else:
            other, _ = await stack.enter_async_context(proxied())
            listen = other.address
        proxy = FaultProxy(listen=listen, upstream=("127.0.0.1", 1), emit=Recorder())
        with pytest.raises(UsageError, match=r"in use|exists already"):
            await proxy.__aenter__()
    if occupied_by == "file":
        assert (folder / "in").read_text() == "kept"

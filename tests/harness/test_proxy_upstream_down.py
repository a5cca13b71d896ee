"""A fault of arriving connections decides what a client sees, also while the upstream is down."""

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from proxied import Client, Recorder

from crashloop.proxy import AcceptClose, Fault, FaultProxy, Hold, Timeout

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


@contextlib.asynccontextmanager
async def before_a_dead_upstream(
    listen: str | tuple[str, int],
) -> AsyncIterator[tuple[FaultProxy, Recorder]]:
    """A proxy with an upstream port that is bound and not listened on."""
    recorder = Recorder()
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        async with FaultProxy(listen=listen, upstream=dead.getsockname(), emit=recorder) as proxy:
            yield proxy, recorder


async def find_out(proxy: FaultProxy, recorder: Recorder) -> None:
    """Let one client find out that the upstream refuses: from then on the gate does too."""
    with contextlib.suppress(ConnectionResetError):
        client = await Client.reach(proxy.address)
        with contextlib.closing(client.writer):
            await client.reader.read(1)
    await recorder.wait("gate.closed")


@pytest.mark.parametrize("other", [None, Timeout(timeout_s=0)], ids=["alone", "with timeout"])
async def test_a_client_is_held_although_the_upstream_is_known_to_refuse(
    listen: str | tuple[str, int], other: Fault | None
) -> None:
    async with before_a_dead_upstream(listen) as (proxy, recorder):
        await find_out(proxy, recorder)
        if other is not None:
            await proxy.inject("other", other)
        await proxy.inject("hold", Hold())
        clients = [await Client.reach(proxy.address) for _ in range(2)]
        await recorder.wait("link.held", 2)
        assert [link["held_by"] for link in proxy.snapshot()] == [["hold"], ["hold"]]
        await proxy.heal("hold")
        for client in clients:
            with contextlib.closing(client.writer), contextlib.suppress(ConnectionResetError):
                assert await client.reader.read(1) == b""
        with pytest.raises(ConnectionRefusedError):
            await Client.reach(proxy.address)


async def test_a_client_is_held_after_another_ones_hold_ended_at_the_dead_upstream(
    listen: str | tuple[str, int],
) -> None:
    async with before_a_dead_upstream(listen) as (proxy, recorder):
        await proxy.inject("hold", Hold(delay_s=0.01))
        for count in (1, 2, 3):
            client = await Client.reach(proxy.address)
            await recorder.wait("link.failed", count)
            client.writer.close()
    assert len(recorder.of("link.held")) == 3
    assert recorder.of("gate.closed") == []


async def test_a_client_is_accepted_and_closed_although_the_upstream_is_known_to_refuse(
    listen: str | tuple[str, int],
) -> None:
    async with before_a_dead_upstream(listen) as (proxy, recorder):
        await find_out(proxy, recorder)
        await proxy.inject("close", AcceptClose())
        client = await Client.reach(proxy.address)
        assert await client.reader.read(1) == b""
        client.writer.close()
    assert len(recorder.of("link.turned_away")) == 1


async def test_the_gate_refuses_again_once_the_first_connections_have_been_held(
    listen: str | tuple[str, int],
) -> None:
    async with before_a_dead_upstream(listen) as (proxy, recorder):
        await find_out(proxy, recorder)
        await proxy.inject("hold", Hold(connections=1))
        held = await Client.reach(proxy.address)
        await recorder.wait("link.held")
        await recorder.wait("gate.closed", 2)
        with pytest.raises(ConnectionRefusedError):
            await Client.reach(proxy.address)
        held.writer.close()

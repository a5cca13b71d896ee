"""Hold, latency and refusal at the gate, with real sockets and their receipts."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from proxied import Client, Recorder, kernel, proxied

from crashloop.errors import CapabilityError, UsageError
from crashloop.proxy import (
    AcceptClose,
    Address,
    BlackHole,
    ConnectDelay,
    FaultProxy,
    Hold,
    Latency,
    Refuse,
)

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


async def test_held_clients_are_released_together_at_the_heal_once_each(
    listen: str | tuple[str, int],
) -> None:
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


async def test_a_hold_with_a_delay_releases_each_client_then_and_never_before() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("hold", Hold(delay_s=0.05))
        for _ in range(4):
            client = await Client.reach(proxy.address)
            assert await client.ask(b"x") == b"x"
            client.writer.close()
        await proxy.heal("hold")
    released = recorder.of("link.released")
    assert [each["reason"] for each in released] == ["delay"] * 4
    assert min(each["held_s"] for each in released) >= 0.05


async def test_a_client_that_leaves_while_held_is_recorded_at_once_and_never_dialled(
    listen: str | tuple[str, int],
) -> None:
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


async def test_latency_delays_every_chunk_of_an_open_link_and_its_heal_passes_on_what_waits() -> (
    None
):
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
    assert min(each["delay_s"] for each in receipts) >= 0.03
    slow = closed["delays"][0]
    assert (slow["fault"], slow["direction"], slow["chunks"]) == ("slow", "downstream", 5)


async def test_a_refusal_resets_open_links_refuses_new_ones_and_keeps_the_address(
    listen: str | tuple[str, int],
) -> None:
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


def _assert_taken(address: Address) -> None:
    for option in (None, socket.SO_REUSEADDR):
        with socket.socket() as thief:
            if option is not None:
                thief.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind((address.host, address.port))


async def test_a_black_hole_on_a_unix_socket_is_declined_with_a_hint_to_hold(folder: Path) -> None:
    async with proxied(str(folder / "in")) as (proxy, recorder):
        for fault in (BlackHole(), ConnectDelay(delay_s=1)):
            with pytest.raises(CapabilityError, match="Use Hold"):
                await proxy.inject("hole", fault)
        client = await Client.reach(proxy.address)
        assert await client.ask(b"x") == b"x"
        client.writer.close()
    assert [kind for kind, _ in recorder.events if kind.startswith("gate")] == []


async def test_a_gate_has_one_fault_at_a_time_and_an_id_is_used_once() -> None:
    async with proxied() as (proxy, _):
        await proxy.inject("down", Refuse())
        with pytest.raises(UsageError, match="'down' has the gate"):
            await proxy.inject("hole", BlackHole())
        with pytest.raises(UsageError, match="already"):
            await proxy.inject("down", Hold())
        with pytest.raises(UsageError, match="no fault 'hole'"):
            await proxy.heal("hole")


@kernel
async def test_leaving_the_proxy_with_faults_on_leaves_nothing_behind() -> None:
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


@pytest.mark.parametrize("reset", [False, True])
async def test_the_first_connections_are_closed_at_once_and_later_ones_served(
    listen: str | tuple[str, int], *, reset: bool
) -> None:
    async def turned_away(address: Address) -> str:
        try:
            client = await Client.reach(address)
            with contextlib.closing(client.writer):
                return "end" if await client.reader.read(1) == b"" else "data"
        except ConnectionResetError:
            return "reset"

    async with proxied(listen) as (proxy, recorder):
        await proxy.inject("first", AcceptClose(connections=2, reset=reset))
        seen = [await turned_away(proxy.address) for _ in range(2)]
        client = await Client.reach(proxy.address)
        assert await client.ask(b"x") == b"x"
        client.writer.close()
        await recorder.wait("link.closed", 3)
    assert seen == ["reset" if reset and not proxy.address.path else "end"] * 2
    assert [each["reset"] for each in recorder.of("link.turned_away")] == [reset] * 2
    closed = recorder.of("link.closed")
    assert [each.get("fault") for each in closed] == ["first", "first", None]


async def test_only_the_first_connections_are_held_and_open_ones_never() -> None:
    async with proxied() as (proxy, recorder):
        before = await Client.reach(proxy.address)
        await before.ask(b"open")
        await proxy.inject("first", Hold(connections=1))
        await proxy.inject("slow", Latency(latency_s=60, connections=1))
        held = await Client.reach(proxy.address)
        after = await Client.reach(proxy.address)
        assert await after.ask(b"x") == await before.ask(b"x") == b"x"
        for client in (before, held, after):
            client.writer.close()
    assert len(recorder.of("link.held")) == 1


async def test_the_proxy_refuses_while_its_upstream_refuses(listen: str | tuple[str, int]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(await reader.read(1))
        writer.close()

    recorder = Recorder()
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        upstream = kept.getsockname()
        async with FaultProxy(listen=listen, upstream=upstream, emit=recorder) as proxy:
            with contextlib.suppress(ConnectionResetError):
                first = await Client.reach(proxy.address)
                with contextlib.closing(first.writer):
                    assert await first.reader.read(1) == b""
            await recorder.wait("gate.closed")
            with pytest.raises(ConnectionRefusedError):
                await Client.reach(proxy.address)
            server = await asyncio.start_server(serve, *upstream, reuse_port=True)
            await recorder.wait("gate.opened")
            client = await Client.reach(proxy.address)
            assert await client.ask(b"x") == b"x"
            client.writer.close()
            server.close()
    assert recorder.of("link.failed")[0]["error"] == "ECONNREFUSED"
    assert recorder.of("link.closed")[0]["by"] == "upstream"
    assert recorder.of("gate.closed") == [{"mode": "upstream refuses"}]

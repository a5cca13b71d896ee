"""Black hole, connect delay and counted refusals: what the kernel does, and the receipts."""

import asyncio
import errno
import os
import socket

import pytest
from proxied import Client, connecting_child, kernel, proxied

from crashloop.errors import CapabilityError
from crashloop.proxy import BlackHole, ConnectDelay, Refuse
from crashloop.proxy.kernel.syn_drop import SynDrop

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])  # which `crashloop proxy` runs on


@kernel
async def test_a_black_hole_drops_a_childs_syn_names_the_child_and_spares_open_links() -> None:
    async with proxied() as (proxy, recorder):
        client = await Client.reach(proxy.address)
        await client.ask(b"open")
        await proxy.inject("hole", BlackHole())
        child = await connecting_child(proxy, recorder, 0.4)
        (seen,) = await recorder.wait("gate.syn_seen")
        assert await client.ask(b"untouched") == b"untouched"
        (gone,) = await recorder.wait("gate.syn_gone")
        out, _ = await child.communicate()
        await proxy.heal("hole")
        client.writer.close()
    assert out == b"timeout\n"
    assert (seen["fault"], seen["pid"]) == ("hole", child.pid)
    assert (gone["inode"], gone["reason"]) == (seen["inode"], "gone")
    assert gone["last_ns"] > gone["first_ns"]
    assert recorder.of("gate.checked") == [{"fault": "hole", "observed": "no answer"}]
    assert len(recorder.of("link.opened")) == 1


@kernel
async def test_after_a_black_hole_a_waiting_client_connects_by_its_retransmission() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("hole", BlackHole())
        child = await connecting_child(proxy, recorder, 10)
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


@kernel
async def test_a_proxy_that_stops_under_a_black_hole_lets_nobody_in_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close, outcomes = SynDrop.close, list[int]()

    def close_and_knock(drop: SynDrop) -> None:
        close(drop)
        with socket.socket() as client:
            client.settimeout(1)
            outcomes.append(client.connect_ex(address))

    async with proxied() as (proxy, _):
        address = (proxy.address.host, proxy.address.port)
        await proxy.inject("hole", BlackHole())
        monkeypatch.setattr(SynDrop, "close", close_and_knock)
    assert outcomes == [errno.ECONNREFUSED]


@kernel
async def test_a_connect_delay_lets_each_client_in_after_its_own_delay() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("late", ConnectDelay(delay_s=0.3))
        first = asyncio.create_task(Client.reach(proxy.address))
        await recorder.wait("gate.ajar")
        second = asyncio.create_task(Client.reach(proxy.address))
        for client in (await first, await second):
            assert await client.ask(b"x") == b"x"
            client.writer.close()
        await proxy.heal("late")
        client = await Client.reach(proxy.address)
        client.writer.close()
    admitted = recorder.of("gate.admitted")
    assert len(admitted) == 2
    assert all(each["waited_s"] >= 0.3 for each in admitted)
    assert all(each["released_ns"] < each["connected_ns"] for each in admitted)
    assert recorder.of("link.held") == []


@kernel
async def test_a_client_that_gave_up_before_its_delay_is_not_let_in() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("late", ConnectDelay(delay_s=0.6))
        child = await connecting_child(proxy, recorder, 0.2)
        await recorder.wait("gate.syn_gone")
        await child.communicate()
        probe = await asyncio.open_connection(proxy.address.host, proxy.address.port)
        probe[1].close()
    assert len(recorder.of("gate.admitted")) == 1
    assert recorder.of("gate.syn_gone")[0]["reason"] == "gone"


@kernel
async def test_clients_that_race_the_shutting_gate_are_served_or_wait() -> None:
    async with proxied() as (proxy, recorder):
        clients = [asyncio.create_task(Client.reach(proxy.address)) for _ in range(20)]
        await proxy.inject("hole", BlackHole())
        await asyncio.sleep(0)
        await proxy.heal("hole")
        for client in await asyncio.gather(*clients):
            assert await client.ask(b"x") == b"x"
            client.writer.close()
    assert len(recorder.of("link.opened")) == 20


def may_read_raw_packets() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except (AttributeError, OSError):
        return False
    return True


counts = pytest.mark.skipif(not may_read_raw_packets(), reason="counting refusals: CAP_NET_RAW")


@counts
async def test_refusing_the_first_clients_counts_each_and_then_accepts() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("first", Refuse(connections=3))
        for number in (1, 2, 3):
            with pytest.raises(ConnectionRefusedError):
                await Client.reach(proxy.address)
            await recorder.wait("gate.refused", number)
        (opened,) = await recorder.wait("gate.opened")
        client = await Client.reach(proxy.address)
        assert await client.ask(b"x") == b"x"
        client.writer.close()
        await proxy.heal("first")
    assert opened == {"fault": "first", "refused": 3}
    assert [each["number"] for each in recorder.of("gate.refused")] == [1, 2, 3]


@counts
async def test_a_refusal_that_has_ended_stays_off_when_the_proxy_is_turned_off_and_on() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("first", Refuse(connections=1))
        with pytest.raises(ConnectionRefusedError):
            await Client.reach(proxy.address)
        await recorder.wait("gate.opened")
        await proxy.disable()
        await proxy.enable()
        client = await Client.reach(proxy.address)
        assert await client.ask(b"x") == b"x"
        client.writer.close()


async def test_refusals_that_nobody_can_count_are_declined_with_an_alternative(
    listen: str | tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def declined(*_: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    async with proxied(listen) as (proxy, _):
        with monkeypatch.context() as patch:
            if isinstance(listen, tuple):
                patch.setattr("crashloop.proxy.kernel.rst_tap.socket.socket", declined)
            with pytest.raises(CapabilityError, match="accept_close"):
                await proxy.inject("first", Refuse(connections=1))
        client = await Client.reach(proxy.address)
        assert await client.ask(b"x") == b"x"
        client.writer.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@kernel
@pytest.mark.skipif(not has_ipv6(), reason="no ::1 on this machine")
async def test_over_ipv6_the_gate_drops_syns_and_refuses_too() -> None:
    async with proxied(("::1", 0)) as (proxy, recorder):
        await proxy.inject("hole", BlackHole())
        waiting = asyncio.create_task(Client.reach(proxy.address))
        (seen,) = await recorder.wait("gate.syn_seen")
        await proxy.heal("hole")
        client = await waiting
        assert await client.ask(b"x") == b"x"
        client.writer.close()
        assert seen["pid"] == os.getpid()
        await proxy.inject("down", Refuse())
        with pytest.raises(ConnectionRefusedError):
            await Client.reach(proxy.address)
        await proxy.heal("down")
    assert [each["reason"] for each in recorder.of("gate.syn_gone")] == ["admitted"]

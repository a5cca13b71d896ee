"""How long connections take through a slow connector: real sockets, draws and receipts."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from proxied import Client, kernel, proxied

from crashloop.proxy import SlowConnect

if TYPE_CHECKING:
    from crashloop.proxy import FaultProxy

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

ONE_SLOT = SlowConnect(low_s=0.02, high_s=0.06, slot_s=60)
LONG = SlowConnect(low_s=60, high_s=90, slot_s=60)


async def _ask(proxy: FaultProxy) -> None:
    client = await Client.reach(proxy.address)
    assert await client.ask(b"early words") == b"early words"
    client.writer.close()


async def test_a_connection_is_silent_for_the_time_that_its_receipt_says(
    listen: str | tuple[str, int],
) -> None:
    async with proxied(listen, seed=7) as (proxy, recorder):
        await proxy.inject("slow", ONE_SLOT)
        await _ask(proxy)
        await proxy.heal("slow")
        await _ask(proxy)
    (held,), (released,) = recorder.of("link.held"), recorder.of("link.released")
    assert held["drawn_s"] == held["hold_s"] == ONE_SLOT.drawn_s(0, seed=7, fault_id="slow")
    assert (held["slot"], held["others"], held["fault"]) == (0, 0, "slow")
    assert released["reason"] == "delay"
    assert released["held_s"] >= held["hold_s"]


@pytest.mark.parametrize("connections", [1, 7])
async def test_the_draw_of_a_slot_does_not_depend_on_how_many_connect(connections: int) -> None:
    async with proxied(seed=7) as (proxy, recorder):
        await proxy.inject("slow", ONE_SLOT)
        await asyncio.gather(*(_ask(proxy) for _ in range(connections)))
    drawn = {held["drawn_s"] for held in recorder.of("link.held")}
    assert drawn == {ONE_SLOT.drawn_s(0, seed=7, fault_id="slow")}


async def test_each_slot_has_its_own_draw_and_two_proxies_of_a_seed_draw_the_same() -> None:
    fault = SlowConnect(low_s=0.02, high_s=0.06, slot_s=0.02)
    seen: list[dict[int, float]] = []
    for _ in range(2):
        async with proxied(seed=7) as (proxy, recorder):
            await proxy.inject("slow", fault)
            for _ in range(4):
                await _ask(proxy)
        seen.append({held["slot"]: held["drawn_s"] for held in recorder.of("link.held")})
    assert [len(one) for one in seen] == [4, 4], "a connection takes longer than a slot"
    for slots in seen:
        for slot, drawn_s in slots.items():
            assert drawn_s == fault.drawn_s(slot, seed=7, fault_id="slow")


async def test_each_connection_that_waits_makes_the_next_one_slower() -> None:
    fault = SlowConnect(low_s=60, high_s=90, slot_s=60, each_other_s=2)
    async with proxied(seed=7) as (proxy, recorder):
        await proxy.inject("slow", fault)
        clients = [await Client.reach(proxy.address) for _ in range(3)]
        await recorder.wait("link.held", 3)
        clients[0].writer.close()
        await recorder.wait("link.released", 1)
        clients.append(await Client.reach(proxy.address))
        held = await recorder.wait("link.held", 4)
        for client in clients:
            client.writer.close()
    assert [each["others"] for each in held] == [0, 1, 2, 2]
    assert [each["hold_s"] - each["drawn_s"] for each in held] == pytest.approx([0, 2, 4, 4])


async def test_connections_that_another_fault_holds_do_not_count() -> None:
    fault = SlowConnect(low_s=60, high_s=90, each_other_s=2)
    async with proxied() as (proxy, recorder):
        await proxy.inject("first", LONG)
        earlier = await Client.reach(proxy.address)
        await recorder.wait("link.held")
        await proxy.inject("second", fault)
        later = await Client.reach(proxy.address)
        held = await recorder.wait("link.held", 3)
        earlier.writer.close()
        later.writer.close()
    assert {each["fault"]: each["others"] for each in held[1:]} == {"first": 1, "second": 0}


async def test_the_heal_lets_all_that_wait_through_at_once() -> None:
    async with proxied() as (proxy, recorder):
        await proxy.inject("slow", LONG)
        asking = [asyncio.create_task(_ask(proxy)) for _ in range(3)]
        await recorder.wait("link.held", 3)
        await proxy.heal("slow")
        await asyncio.gather(*asking)
    assert [each["reason"] for each in recorder.of("link.released")] == ["healed"] * 3


async def test_only_the_first_connections_are_slow_and_open_ones_never_are() -> None:
    async with proxied() as (proxy, recorder):
        before = await Client.reach(proxy.address)
        await before.ask(b"open")
        await proxy.inject("slow", SlowConnect(low_s=60, high_s=90, connections=1))
        held = await Client.reach(proxy.address)
        await recorder.wait("link.held")
        await _ask(proxy)
        assert await before.ask(b"x") == b"x"
        before.writer.close()
        held.writer.close()
    assert len(recorder.of("link.held")) == 1


async def test_slots_are_counted_from_each_injection() -> None:
    fault = SlowConnect(low_s=0.2, high_s=0.21, slot_s=0.2)  # long, for a machine that is busy
    async with proxied(seed=7) as (proxy, recorder):
        for _ in range(2):
            await proxy.inject("slow", fault)
            for _ in range(2):
                await _ask(proxy)
            await proxy.heal("slow")
    slots = [each["slot"] for each in recorder.of("link.held")]
    assert slots[0] == slots[2] == 0
    assert all(earlier < later for earlier, later in (slots[:2], slots[2:]))


ONCE = SlowConnect(low_s=0.02, high_s=0.06, slot_s=60, each_client=True)
ANOTHER_CLIENT = """
import socket, sys
path, port = sys.argv[1], int(sys.argv[2])
sys.stdin.readline()
client = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
client.connect(path or ("127.0.0.1", port))
client.sendall(b"x")
client.recv(1)
"""


async def test_all_that_a_client_opens_while_it_waits_is_silent_until_the_same_time(
    listen: str | tuple[str, int],
) -> None:
    async with proxied(listen, seed=7) as (proxy, recorder):
        await proxy.inject("slow", replace(LONG, each_client=True))
        clients = [await Client.reach(proxy.address) for _ in range(2)]
        first, second = await recorder.wait("link.held", 2)
        for client in clients:
            client.writer.close()
    assert first["hold_s"] == first["drawn_s"] == LONG.drawn_s(0, seed=7, fault_id="slow")
    assert second["drawn_s"] == first["drawn_s"]
    assert 0 < second["hold_s"] < first["hold_s"]


async def test_a_client_that_has_waited_does_not_wait_again_until_the_next_injection(
    listen: str | tuple[str, int],
) -> None:
    async with proxied(listen) as (proxy, recorder):
        for injections in (1, 2):
            await proxy.inject("slow", ONCE)
            await _ask(proxy)
            await _ask(proxy)
            assert len(recorder.of("link.held")) == injections
            await proxy.heal("slow")


@kernel
async def test_another_client_waits_for_itself(listen: str | tuple[str, int]) -> None:
    async with proxied(listen) as (proxy, recorder):
        await proxy.inject("slow", ONCE)
        await _ask(proxy)
        address = proxy.address
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", ANOTHER_CLIENT, address.path or "", str(address.port)),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        recorder.pids.append(other.pid)
        await other.communicate(b"go\n")
        assert other.returncode == 0
        await _ask(proxy)
    assert len(recorder.of("link.held")) == 2

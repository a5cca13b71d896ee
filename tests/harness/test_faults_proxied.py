"""Each fault of a path shows that it acted by the receipts that it declares."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from proxied import LIMIT_S, Client, Recorder, proxied

from crashloop.clock import TimeScale
from crashloop.faults import KINDS, build, plan
from crashloop.faults.proxied import ProxiedFault
from crashloop.model import Grade, Moment, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Value
    from crashloop.proxy import FaultProxy

NEVER = Trigger(first_of=(Moment(on="never"),))
PARAMETERS: Mapping[str, dict[str, Value]] = {
    "latency": {"latency_s": 0.2},
    "bandwidth": {"rate_bytes_s": 50},
    "slow_close": {"delay_s": 0.2},
    "timeout": {"timeout_s": 0.2},
    "reset_peer": {"timeout_s": 0.2},
    "slicer": {"average_bytes": 10, "delay_s": 0.02},
    "limit_data": {"limit_bytes": 10},
    "connect_delay": {"delay_s": 600},
    "slow_connect": {"low_s": 600, "high_s": 900},
}
PATHS = sorted(
    kind
    for kind, fault in KINDS.items()
    if issubclass(fault, ProxiedFault) and fault.receipt.whose == "link"
)


class Ports:
    """The ports of an engine with one path."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy

    def path(self, target: str) -> FaultProxy:
        assert target == "postgres"
        return self.proxy


async def use(proxy: FaultProxy) -> bytes:
    """Connect, let 100 bytes be answered, and leave."""
    client = await Client.reach(proxy.address)
    try:
        return await client.ask(b"x" * 100)
    finally:
        client.writer.close()


async def receipt(recorder: Recorder, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The first event of these kinds that names the fault."""
    async with asyncio.timeout(LIMIT_S):
        for number in range(1, 1000):
            while len(recorder.events) < number:
                recorder._news.clear()
                await recorder._news.wait()
            kind, data = recorder.events[number - 1]
            if kind in kinds and data.get("fault") == "slow-path":
                return data
    raise AssertionError


@pytest.mark.parametrize("kind", PATHS)
async def test_a_fault_of_a_path_emits_its_receipt_and_is_gone_after_the_heal(kind: str) -> None:
    planned = plan(
        name="slow-path",
        target="postgres",
        kind=kind,
        inject=NEVER,
        heal=NEVER,
        params=PARAMETERS.get(kind, {}),
    )
    if planned.receipt.grade is Grade.KERNEL and sys.platform != "linux":
        pytest.skip("kernel receipts: Linux")
    async with proxied() as (proxy, recorder):
        ports: Any = Ports(proxy)
        fault = build(planned, TimeScale(factor=1))
        async with fault.active(ports, name=planned.name, target=planned.target):
            using = asyncio.create_task(use(proxy))
            shown = await receipt(recorder, planned.receipt.kinds)
            if kind not in {"black_hole", "connect_delay"}:  # the kernel's next SYN is 1 s away
                assert shown["link"]
            using.cancel()
            await asyncio.gather(using, return_exceptions=True)
        async with asyncio.timeout(LIMIT_S):
            assert await use(proxy) == b"x" * 100

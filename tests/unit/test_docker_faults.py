"""Faults on Docker: which part gets which fault, and with which parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from crashloop.engines.docker.faults import MadeByParts, ToxiproxyFaults
from crashloop.proxy.encoding import encode
from crashloop.proxy.faults import Fault, Hold, Latency

if TYPE_CHECKING:
    from crashloop.engines.docker.capability import Maker
    from crashloop.engines.docker.witness import Witness
    from crashloop.proxy.control.toxiproxy import ToxiproxyControl


class Toxics:
    """A Toxiproxy and a witness that keep what is on."""

    def __init__(self) -> None:
        self.on: dict[str, Fault] = {}
        self.delays: dict[str, float] = {}

    def inject(self, proxy: str, fault_id: str, fault: Fault) -> None:
        assert proxy == "postgres"
        self.on[fault_id] = fault

    def heal(self, proxy: str, fault_id: str) -> None:
        assert proxy == "postgres"
        del self.on[fault_id]

    def expect_delay(self, fault_id: str, delay_s: float) -> None:
        self.delays[fault_id] = delay_s

    def expect_no_delay(self, fault_id: str) -> None:
        del self.delays[fault_id]


def through(toxics: Toxics) -> ToxiproxyFaults:
    return ToxiproxyFaults(cast("ToxiproxyControl", toxics), "postgres", cast("Witness", toxics))


class Part:
    """An injector that keeps what is on."""

    def __init__(self) -> None:
        self.on: set[str] = set()

    async def inject(self, fault_id: str, fault: Fault) -> None:
        del fault
        self.on.add(fault_id)

    async def heal(self, fault_id: str) -> None:
        self.on.remove(fault_id)


async def test_each_fault_is_injected_and_healed_by_the_part_that_makes_it() -> None:
    one, other = Part(), Part()
    makers: dict[str, Maker] = {"latency": "toxiproxy", "hold": "sidecar"}
    faults = MadeByParts({"toxiproxy": one, "sidecar": other}, makers.__getitem__)

    await faults.inject("slow", Latency(latency_s=1))
    await faults.inject("silent", Hold())
    assert (one.on, other.on) == ({"slow"}, {"silent"})

    await faults.heal("slow")
    assert (one.on, other.on) == (set(), {"silent"})


@pytest.mark.parametrize("latency_s", [4 / 3, 0.0014])
async def test_a_scaled_latency_is_whole_milliseconds_for_toxiproxy(latency_s: float) -> None:
    toxics = Toxics()

    await through(toxics).inject("slow", Latency(latency_s=latency_s, jitter_s=1 / 7))

    values = encode(toxics.on["slow"])
    assert [value % 1 for value in values.values()] == [0, 0]
    assert toxics.delays["slow"] == pytest.approx(latency_s, abs=0.0005)


async def test_a_latency_below_a_millisecond_does_not_become_none() -> None:
    toxics = Toxics()

    await through(toxics).inject("slow", Latency(latency_s=0.0004))

    assert toxics.on["slow"] == Latency(latency_s=0.0004)


async def test_a_healed_latency_is_no_longer_expected() -> None:
    toxics = Toxics()
    faults = through(toxics)
    await faults.inject("slow", Latency(latency_s=1))

    await faults.heal("slow")

    assert (toxics.on, toxics.delays) == ({}, {})

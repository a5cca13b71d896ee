"""The harness's clients, each with its own kind of server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import toxiproxy
from toxiproxy_server import running

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.control import Control
from crashloop.proxy.control.toxiproxy import ToxiproxyControl
from crashloop.proxy.faults import (
    AcceptClose,
    Hold,
    Latency,
    LimitData,
    Refuse,
    Slicer,
    SlowConnect,
)
from tests.contract.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.proxy.address import Address
    from crashloop.proxy.faults import Fault
    from tests.contract.wire import Wire

LIMIT_S = 10.0


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A client of a proxy of its own."""
    with running("built-in", tmp_path) as server:
        yield Control(server.url)


def _connect(address: Address) -> socket.socket:
    return socket.create_connection((address.host, address.port), timeout=LIMIT_S)


def _passes(address: Address, wire: Wire) -> bytes:
    with _connect(address) as client:
        client.sendall(b"hello")
        return wire.accept().receive(5)


@pytest.mark.parametrize(
    "fault",
    [
        Latency(latency_s=0.001, jitter_s=0.002, direction="upstream", connections=2),
        LimitData(limit_bytes=3, toxicity=0.25),
        Slicer(average_bytes=64, variation_bytes=8, delay_s=0.00001),
        Hold(delay_s=0.25, connections=3),
        SlowConnect(low_s=0.25, high_s=0.5, slot_s=1, each_other_s=0.1),
        AcceptClose(reset=True),
        Refuse(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_is_injected_and_healed(control: Control, wire: Wire, fault: Fault) -> None:
    address = control.create("db", upstream=wire.upstream)
    control.inject("db", "trouble", fault)
    with Api(control.url) as api:
        (toxic,) = api.proxy("db").show()["toxics"]
    assert (toxic["name"], toxic["type"]) == ("trouble", fault.kind)
    control.heal("db", "trouble")
    assert _passes(address, wire) == b"hello"


def test_a_rejection_has_the_proxys_own_words(control: Control, wire: Wire) -> None:
    address = control.create("db", upstream=wire.upstream)
    for call, words in (
        (lambda: control.create("db", upstream="x:1"), "409: proxy already exists"),
        (lambda: control.remove("nobody"), "404: proxy not found"),
        (lambda: control.heal("db", "nothing"), "404: toxic not found"),
        (lambda: control.create("", upstream="x:1"), "400: missing required field: name"),
        (lambda: control.watch([-1]), "400: -1 in pids"),
    ):
        with pytest.raises(UsageError, match=words):
            call()
    with pytest.raises(HarnessError, match=r"500: .*address already in use"):
        control.create("other", upstream="x:1", listen=f"127.0.0.1:{address.port}")


def test_what_the_proxy_ignores_is_a_warning(control: Control) -> None:
    with pytest.warns(UserWarning, match="'http://db' is a URL"):
        control.create("db", upstream="http://db")


def test_events_up_to_a_call_have_all_that_it_did(control: Control, wire: Wire) -> None:
    address = control.create("db", upstream=wire.upstream)
    control.inject("db", "shut", Refuse())
    control.heal("db", "shut")
    before = control.last_seq
    assert control.links("db") == []
    with _connect(address):
        wire.accept()
        (link,) = control.links("db")
    assert link["link"] == "db-1"
    control.watch([1, 2])
    control.remove("db")
    events = list(control.events())
    assert [event["seq"] for event in events] == list(range(1, control.last_seq + 1))
    kinds = [event["kind"] for event in events if event["seq"] <= before]
    assert {"proxy.created", "gate.closed", "gate.opened", "toxic.removed"} <= set(kinds)
    awaited = control.events(since=before, until=None)
    assert next(event for event in awaited if event["kind"] == "link.opened")["proxy"] == "db"


def test_toxiproxys_client_has_an_address_of_its_own(tmp_path: Path, wire: Wire) -> None:
    before = dict(vars(toxiproxy.api.APIConsumer))
    with running("toxiproxy", tmp_path) as server, Api(server.url) as api:
        host, _, port = server.url.removeprefix("http://").partition(":")
        control = ToxiproxyControl(host, int(port))
        control.create("db", listen="127.0.0.1:0", upstream=wire.upstream)
        control.inject("db", "slow", Latency(latency_s=0.1))
        (toxic,) = api.proxy("db").show()["toxics"]
        assert (toxic["name"], toxic["attributes"]) == ("slow", {"latency": 100, "jitter": 0})
        control.heal("db", "slow")
        with pytest.raises(HarnessError, match=r"did not do DELETE .*toxic not found"):
            control.heal("db", "slow")
        with pytest.raises(CapabilityError, match="whole numbers only"):
            control.inject("db", "slow", Latency(latency_s=0.0005))
    assert dict(vars(toxiproxy.api.APIConsumer)) == before
    with pytest.raises(HarnessError, match="did not do POST /proxies"):
        control.create("db", listen="127.0.0.1:0", upstream=wire.upstream)

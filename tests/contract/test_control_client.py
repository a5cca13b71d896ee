"""The control client works the same with both proxies, and has the built-in one's extensions."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from toxiproxy_server import running

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.control import Control, ProxyState, Toxic
from crashloop.proxy.faults import AcceptClose, Hold, Latency, LimitData, Refuse, ResetPeer, Slicer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toxiproxy_server import Kind

    from crashloop.proxy.faults import Fault, LinkFault
    from tests.contract.wire import Wire

LIMIT_S = 10.0


@pytest.fixture
def control(kind: Kind, tmp_path: Path) -> Iterator[Control]:
    """A client of a server of its own."""
    with running(kind, tmp_path) as server:
        yield Control(server.url)


@pytest.fixture
def built_in(tmp_path: Path) -> Iterator[Control]:
    with running("built-in", tmp_path) as server:
        yield Control(server.url)


@pytest.fixture
def db(wire: Wire) -> ProxyState:
    """What to create: a proxy to the wire's upstream."""
    return ProxyState(name="db", upstream=wire.upstream)


def _connect(state: ProxyState) -> socket.socket:
    return socket.create_connection((state.address.host, state.address.port), timeout=LIMIT_S)


def _passes(state: ProxyState, wire: Wire) -> bytes:
    with _connect(state) as client:
        client.sendall(b"hello")
        return wire.accept().receive(5)


def test_a_proxys_whole_life(control: Control, db: ProxyState, wire: Wire, kind: Kind) -> None:
    assert control.is_built_in is (kind == "built-in")
    assert control.version()
    assert control.proxies() == {}
    made = control.create(db)
    assert made == replace(db, listen=made.listen)
    assert _passes(made, wire) == b"hello"
    proxy = control.proxy("db")
    assert control.proxies() == {"db": made} == {"db": proxy.state()}
    with proxy.down():
        assert not proxy.state().enabled
        with pytest.raises(ConnectionRefusedError):
            _connect(made)
    assert _passes(made, wire) == b"hello"
    proxy.delete()
    assert control.proxies() == {}


def test_a_toxics_whole_life(control: Control, db: ProxyState, wire: Wire) -> None:
    made = control.create(db)
    proxy = control.proxy("db")
    cut = Toxic(type="limit_data", stream="upstream", attributes={"bytes": 2}, toxicity=1)
    added = proxy.add_toxic(cut)
    assert added == replace(cut, name="limit_data_upstream")
    assert proxy.toxics() == proxy.state().toxics == (added,)
    with _connect(made) as client:
        client.sendall(b"hello")
        assert wire.accept().rest() == (b"he", "end")
    changed = proxy.update_toxic(added.name, attributes={"bytes": 4}, toxicity=0.5)
    assert changed == replace(added, attributes={"bytes": 4}, toxicity=0.5)
    assert proxy.toxic(added.name) == changed
    proxy.remove_toxic(added.name)
    assert proxy.toxics() == ()
    assert _passes(made, wire) == b"hello"


@pytest.mark.parametrize(
    "fault",
    [
        Latency(latency_s=0.001, jitter_s=0.002, direction="upstream"),
        LimitData(limit_bytes=3, toxicity=0.25),
        ResetPeer(timeout_s=0),
        Slicer(average_bytes=64, variation_bytes=8, delay_s=0.00001),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_record_goes_in_is_changed_and_healed(
    control: Control, db: ProxyState, fault: LinkFault
) -> None:
    control.create(db)
    proxy = control.proxy("db")
    toxic = proxy.inject("trouble", fault)
    assert proxy.toxics() == (toxic,)
    assert toxic.name == "trouble"
    assert proxy.change("trouble", replace(fault, toxicity=0.5)) == replace(toxic, toxicity=0.5)
    proxy.heal("trouble")
    assert proxy.toxics() == ()


def test_populate_replaces_and_reset_ends_everything(control: Control, db: ProxyState) -> None:
    made = control.create(db)
    control.proxy("db").add_toxic(Toxic(type="timeout"))
    control.proxy("db").disable()
    control.reset()
    assert control.proxies() == {"db": made}
    cache = ProxyState(name="cache", upstream=db.upstream, enabled=False)
    populated = control.populate([made, cache])
    assert populated == (made, cache)
    assert control.proxies() == {"db": made, "cache": cache}


def test_a_rejection_has_the_servers_own_words(control: Control, db: ProxyState) -> None:
    control.create(db)
    proxy, nobody = control.proxy("db"), control.proxy("nobody")
    for call, words in (
        (lambda: control.create(db), "409.*proxy already exists"),
        (nobody.state, "404.*proxy not found"),
        (lambda: proxy.heal("nothing"), "404.*toxic not found"),
        (lambda: proxy.add_toxic(Toxic(type="sleepy")), "400.*invalid toxic type"),
        (lambda: control.populate([replace(db, name="")]), "400.*missing required field: name"),
    ):
        with pytest.raises(UsageError, match=words):
            call()
    taken = replace(db, name="other", listen=proxy.state().listen)
    with pytest.raises(HarnessError, match=r"500.*address already in use"):
        control.create(taken)


def test_an_attribute_that_is_not_known_leaves_no_toxic(control: Control, db: ProxyState) -> None:
    control.create(db)
    proxy = control.proxy("db")
    with pytest.raises(UsageError, match="ignores latancy"):
        proxy.add_toxic(Toxic(type="latency", attributes={"latancy": 5}))
    assert proxy.toxics() == ()


def test_a_toxiproxy_says_what_it_cannot(tmp_path: Path, db: ProxyState) -> None:
    with running("toxiproxy", tmp_path) as server:
        control = Control(server.url)
        control.create(db)
        for fault in (Hold(), Refuse(), Latency(latency_s=1, connections=2)):
            with pytest.raises(CapabilityError, match="is a Toxiproxy"):
                control.proxy("db").inject("trouble", fault)
        assert control.proxy("db").toxics() == ()
        assert control.last_seq is None


def test_a_proxy_and_its_toxics_are_there_at_once(built_in: Control, db: ProxyState) -> None:
    toxic = Toxic(name="still", type="hold", attributes={"delay": 1.5, "connections": 2})
    made = built_in.create(replace(db, toxics=(toxic,)))
    assert made.toxics == (toxic,)
    built_in.proxy("db").delete()
    assert built_in.populate([made]) == (made,)


@pytest.mark.parametrize(
    "fault",
    [Hold(), Hold(delay_s=0.25, connections=3), AcceptClose(reset=True), Refuse()],
    ids=str,
)
def test_a_connect_fault_goes_in_and_is_healed(
    built_in: Control, db: ProxyState, wire: Wire, fault: Fault
) -> None:
    made = built_in.create(db)
    proxy = built_in.proxy("db")
    proxy.inject("trouble", fault)
    assert [each.name for each in proxy.toxics()] == ["trouble"]
    proxy.heal("trouble")
    assert _passes(made, wire) == b"hello"


def test_the_first_connections_may_be_counted_anew(built_in: Control, db: ProxyState) -> None:
    built_in.create(db)
    proxy = built_in.proxy("db")
    proxy.inject("trouble", Latency(latency_s=0.1))
    changed = proxy.change("trouble", Latency(latency_s=0.1, connections=3))
    assert changed.attributes["connections"] == 3


def test_links_show_what_is_open(built_in: Control, db: ProxyState, wire: Wire) -> None:
    made = built_in.create(db)
    assert built_in.proxy("db").links() == ()
    with _connect(made):
        wire.accept()
        (link,) = built_in.proxy("db").links()
    assert link.link == "db-1"


def test_events_up_to_a_call_have_all_that_it_did(built_in: Control, db: ProxyState) -> None:
    built_in.create(db)
    proxy = built_in.proxy("db")
    before = built_in.last_seq
    assert before is not None
    proxy.inject("shut", Refuse())
    events = list(built_in.events(since=before, until=built_in.last_seq))
    assert "gate.closed" in [each["kind"] for each in events]
    assert {each["proxy"] for each in events} == {"db"}
    assert [each["seq"] for each in events] == list(range(before + 1, before + 1 + len(events)))
    assert list(built_in.events(since=built_in.last_seq or 0)) == []


def test_an_event_is_awaited_while_the_stream_is_quiet(
    built_in: Control, db: ProxyState, wire: Wire
) -> None:
    made = built_in.create(db)
    since = built_in.last_seq or 0
    with built_in.events(since=since, until=None, within_s=LIMIT_S) as events, _connect(made):
        wire.accept()
        assert next(each["data"]["link"] for each in events if each["kind"] == "link.opened")


def test_processes_to_watch_are_told(built_in: Control) -> None:
    built_in.watch([1, 2])
    with pytest.raises(UsageError, match="400"):
        built_in.watch([-1])

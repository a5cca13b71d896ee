"""Connections without toxics: forwarded completely, refused when disabled, ended by either end."""

from __future__ import annotations

import errno
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.contract.wire import STREAMS, End, Wire, pattern

if TYPE_CHECKING:
    from tests.contract.api import Api, Proxy
    from tests.contract.wire import Stream

BULK_BYTES = 4 << 20


def in_background(act: threading.Thread) -> threading.Thread:
    act.start()
    return act


@pytest.mark.parametrize("stream", STREAMS)
def test_bytes_pass_unchanged(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    source, sink = wire.link(proxy).ends(stream)
    data = pattern(BULK_BYTES)
    sender = in_background(threading.Thread(target=source.send, args=(data,)))
    assert sink.receive(len(data)) == data
    sender.join()


def test_both_directions_flow_at_once(wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    data = pattern(BULK_BYTES)
    senders = [
        in_background(threading.Thread(target=end.send, args=(data,)))
        for end in (link.client, link.server)
    ]
    received: dict[str, bytes] = {}
    reader = in_background(
        threading.Thread(target=lambda: received.update(down=link.client.receive(len(data))))
    )
    assert link.server.receive(len(data)) == data
    for thread in (*senders, reader):
        thread.join()
    assert received["down"] == data


def test_a_server_may_speak_first(wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.server.send(b"220 hello")
    assert link.client.receive(9) == b"220 hello"


@pytest.mark.parametrize("stream", STREAMS)
def test_the_end_arrives_after_all_data(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    source, sink = wire.link(proxy).ends(stream)
    data = pattern(100_000)
    source.send(data)
    source.close()
    assert sink.rest() == (data, "end")


def test_two_clients_have_a_connection_each(wire: Wire, proxy: Proxy) -> None:
    first, second = wire.link(proxy), wire.link(proxy)
    first.client.send(b"from the first")
    second.client.send(b"from the second")
    assert second.server.receive(15) == b"from the second"
    assert first.server.receive(14) == b"from the first"
    first.client.close()
    assert first.server.ending() == "end"
    second.server.send(b"another")
    assert second.client.receive(7) == b"another"


def test_many_clients_are_served_together(wire: Wire, proxy: Proxy) -> None:
    links = [wire.link(proxy) for _ in range(100)]
    for number, link in enumerate(links):
        link.client.send(f"{number:04d}".encode())
    for number, link in enumerate(links):
        assert link.server.receive(4) == f"{number:04d}".encode()
        link.server.send(f"{number:05d}".encode())
    for number, link in enumerate(links):
        assert link.client.receive(5) == f"{number:05d}".encode()


def test_a_burst_of_clients_is_served(wire: Wire, proxy: Proxy) -> None:
    clients = [wire.connect(proxy) for _ in range(50)]
    servers = [wire.accept() for _ in clients]
    for number, client in enumerate(clients):
        client.send(bytes([number]))
    assert {server.receive(1)[0] for server in servers} == set(range(50))


def test_a_disabled_proxy_refuses(wire: Wire, proxy: Proxy) -> None:
    address = proxy.address
    proxy.update(enabled=False)
    with socket.socket() as client:
        assert client.connect_ex(address) == errno.ECONNREFUSED
    proxy.update(enabled=True)
    link = wire.link(proxy)
    link.client.send(b"again")
    assert link.server.receive(5) == b"again"


def test_disabling_ends_the_open_connections(wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.client.send(b"x")
    assert link.server.receive(1) == b"x"
    proxy.update(enabled=False)
    assert link.client.ending() == "end"
    assert link.server.ending() == "end"


@pytest.mark.parametrize("kind_of_toxic", ["latency", "timeout", "slow_close"])
def test_disabling_ends_connections_that_a_toxic_holds(
    wire: Wire, proxy: Proxy, kind_of_toxic: str
) -> None:
    proxy.add(kind_of_toxic, latency=60_000, timeout=60_000, delay=60_000)
    link = wire.link(proxy)
    link.server.send(b"held")
    proxy.update(enabled=False)
    assert link.server.rest()[0] == b""
    link.client.rest()


def test_an_upstream_that_is_down_ends_the_connection(api: Api, wire: Wire, nowhere: str) -> None:
    proxy = api.create(upstream=nowhere)
    wire.attempt(proxy)
    proxy.update(upstream=wire.upstream)
    link = wire.link(proxy)
    link.client.send(b"up")
    assert link.server.receive(2) == b"up"


@pytest.mark.parametrize("upstream", ["127.0.0.1", "127.0.0.1:99999", "no-such-host.invalid:5"])
def test_an_unusable_upstream_ends_the_connection(api: Api, wire: Wire, upstream: str) -> None:
    wire.attempt(api.create(upstream=upstream))


def test_an_upstream_may_be_a_name(api: Api, wire: Wire) -> None:
    port = wire.upstream.rpartition(":")[2]
    link = wire.link(api.create(upstream=f"localhost:{port}"))
    link.client.send(b"name")
    assert link.server.receive(4) == b"name"


@pytest.mark.parametrize("stream", STREAMS)
def test_one_end_closed_ends_the_other(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    source, sink = wire.link(proxy).ends(stream)
    source.close()
    assert sink.ending() == "end"


def test_the_proxy_waits_for_a_slow_reader_and_loses_nothing(wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    data = pattern(16 << 20)
    sender = in_background(threading.Thread(target=link.server.send, args=(data,)))
    got = bytearray(link.client.receive(1 << 10))
    assert sender.is_alive(), "the whole was buffered somewhere, however much it was"
    got += link.client.receive(len(data) - len(got))
    sender.join()
    assert got == data


def test_clients_that_disconnect_at_once_do_no_harm(api: Api, wire: Wire) -> None:
    with Wire() as other:
        proxy = api.create(upstream=other.upstream)
        for _ in range(20):
            End(socket.create_connection(proxy.address)).reset()
        proxy.update(upstream=wire.upstream)
        link = wire.link(proxy)
        link.client.send(b"alive")
        assert link.server.receive(5) == b"alive"

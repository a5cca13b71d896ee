"""Toxics that end or keep connections: slow_close, timeout, reset_peer, limit_data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.contract.wire import GRAIN_S, STREAMS

if TYPE_CHECKING:
    from tests.contract.api import Proxy
    from tests.contract.wire import Stream, Wire

FOR_EVER_MS = 60_000


@pytest.mark.parametrize("stream", STREAMS)
def test_slow_close_passes_data_at_once_and_the_end_late(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    proxy.add("slow_close", stream, delay=120)
    source, sink = wire.link(proxy).ends(stream)
    source.send(b"data")
    assert sink.receive(4) == b"data"
    start = time.perf_counter()
    source.close()
    assert sink.ending() == "end"
    assert time.perf_counter() - start >= 0.120 - GRAIN_S


def test_slow_close_passes_data_before_a_close_that_never_ends(wire: Wire, proxy: Proxy) -> None:
    proxy.add("slow_close", "upstream", delay=FOR_EVER_MS)
    link = wire.link(proxy)
    link.client.send(b"data")
    link.client.close()
    assert link.server.receive(4) == b"data"
    assert link.server.is_quiet()


def test_a_healed_slow_close_ends_at_once_what_it_kept(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("slow_close", delay=FOR_EVER_MS)
    link = wire.link(proxy)
    link.server.close()
    assert link.client.is_quiet()
    toxic.remove()
    assert link.client.ending() == "end"


def test_an_updated_slow_close_restarts_its_delay(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("slow_close", "upstream", delay=FOR_EVER_MS)
    link = wire.link(proxy)
    link.client.close()
    assert link.server.is_quiet()
    toxic.update(delay=FOR_EVER_MS // 2)
    assert link.server.is_quiet()
    start = time.perf_counter()
    toxic.update(delay=100)
    assert link.server.ending() == "end"
    assert time.perf_counter() - start >= 0.100 - GRAIN_S


@pytest.mark.parametrize("stream", STREAMS)
def test_timeout_drops_data_and_ends_the_connection(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    proxy.add("timeout", stream, timeout=100)
    link = wire.link(proxy)
    source, sink = link.ends(stream)
    start = time.perf_counter()
    source.send(b"dropped")
    assert sink.ending() == "end"
    assert time.perf_counter() - start >= 0.100 - GRAIN_S
    assert source.ending() == "end"


@pytest.mark.parametrize("stream", STREAMS)
def test_timeout_ends_a_connection_without_any_data(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    proxy.add("timeout", stream, timeout=80)
    start = time.perf_counter()
    link = wire.link(proxy)
    assert link.client.ending() == "end"
    assert time.perf_counter() - start >= 0.080 - GRAIN_S
    assert link.server.ending() == "end"


def test_timeout_counts_from_the_last_data(wire: Wire, proxy: Proxy) -> None:
    proxy.add("timeout", "upstream", timeout=100)
    link = wire.link(proxy)
    for _ in range(3):
        last = time.perf_counter()
        link.client.send(b"dropped")
        assert link.server.is_quiet(0.04)
    assert link.server.ending() == "end"
    assert time.perf_counter() - last >= 0.100 - GRAIN_S


def test_timeout_leaves_the_other_direction_alone(wire: Wire, proxy: Proxy) -> None:
    proxy.add("timeout", "upstream", timeout=FOR_EVER_MS)
    link = wire.link(proxy)
    link.client.send(b"dropped")
    link.server.send(b"passes")
    assert link.client.receive(6) == b"passes"


@pytest.mark.parametrize("stream", STREAMS)
def test_timeout_zero_drops_data_and_never_ends(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    proxy.add("timeout", stream, timeout=0)
    source, sink = wire.link(proxy).ends(stream)
    source.send(b"dropped")
    assert sink.is_quiet()
    source.close()
    assert sink.ending() == "end"


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("timeout", [0, FOR_EVER_MS])
def test_a_healed_timeout_ends_its_connections(
    wire: Wire, proxy: Proxy, stream: Stream, timeout: int
) -> None:
    toxic = proxy.add("timeout", stream, timeout=timeout)
    link = wire.link(proxy)
    source, sink = link.ends(stream)
    source.send(b"dropped")
    assert sink.is_quiet()
    toxic.remove()
    assert sink.ending() == "end"
    assert source.ending() == "end"
    source, sink = wire.link(proxy).ends(stream)
    source.send(b"passes")
    assert sink.receive(6) == b"passes"


def test_a_healed_timeout_ends_a_connection_that_sent_nothing(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("timeout", "upstream", timeout=0)
    link = wire.link(proxy)
    link.server.send(b"hello")
    assert link.client.receive(5) == b"hello"
    toxic.remove()
    assert link.client.ending() == "end"
    assert link.server.ending() == "end"


@pytest.mark.parametrize("stream", STREAMS)
def test_reset_peer_resets_both_ends_after_the_first_data(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    proxy.add("reset_peer", stream, timeout=80)
    source, sink = wire.link(proxy).ends(stream)
    start = time.perf_counter()
    source.send(b"never seen")
    assert sink.ending() == "reset"
    assert time.perf_counter() - start >= 0.080 - GRAIN_S
    assert source.ending() == "reset"


def test_reset_peer_resets_at_once_with_zero(wire: Wire, proxy: Proxy) -> None:
    proxy.add("reset_peer", "upstream", timeout=0)
    link = wire.link(proxy)
    link.client.send(b"x")
    assert link.client.ending() == "reset"


def test_reset_peer_waits_for_data(wire: Wire, proxy: Proxy) -> None:
    proxy.add("reset_peer", "upstream", timeout=0)
    link = wire.link(proxy)
    assert link.client.is_quiet()
    link.server.send(b"other direction")
    assert link.client.receive(15) == b"other direction"


def test_reset_peer_resets_at_the_end_of_the_stream_too(wire: Wire, proxy: Proxy) -> None:
    proxy.add("reset_peer", "upstream", timeout=50)
    link = wire.link(proxy)
    start = time.perf_counter()
    link.client.end_writing()
    assert link.server.ending() == "reset"
    assert time.perf_counter() - start >= 0.050 - GRAIN_S


@pytest.mark.parametrize("stream", STREAMS)
def test_limit_data_passes_exactly_its_bytes_and_ends(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    proxy.add("limit_data", stream, bytes=100)
    source, sink = wire.link(proxy).ends(stream)
    source.send(b"a" * 60)
    assert sink.receive(60) == b"a" * 60
    source.send(b"b" * 60)
    assert sink.rest() == (b"b" * 40, "end")


def test_limit_data_ends_right_at_the_limit(wire: Wire, proxy: Proxy) -> None:
    proxy.add("limit_data", "upstream", bytes=10)
    link = wire.link(proxy)
    link.client.send(b"a" * 10)
    assert link.server.rest() == (b"a" * 10, "end")
    assert link.client.ending() == "end"


def test_limit_data_zero_ends_at_the_first_data(wire: Wire, proxy: Proxy) -> None:
    proxy.add("limit_data", "upstream", bytes=0)
    link = wire.link(proxy)
    assert link.server.is_quiet()
    link.client.send(b"a")
    assert link.server.ending() == "end"


def test_limit_data_keeps_its_count_over_an_update(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("limit_data", "upstream", bytes=1000)
    link = wire.link(proxy)
    link.client.send(b"a" * 60)
    assert link.server.receive(60) == b"a" * 60
    toxic.update(bytes=100)
    link.client.send(b"b" * 60)
    assert link.server.rest() == (b"b" * 40, "end")


def test_limit_data_below_what_has_passed_ends_at_the_next_data(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("limit_data", "upstream", bytes=1000)
    link = wire.link(proxy)
    link.client.send(b"a" * 60)
    assert link.server.receive(60) == b"a" * 60
    toxic.update(bytes=50)
    assert link.server.is_quiet()
    link.client.send(b"b")
    assert link.server.ending() == "end"


def test_limit_data_counts_each_connection_and_each_direction_alone(
    wire: Wire, proxy: Proxy
) -> None:
    proxy.add("limit_data", "upstream", bytes=10)
    for _ in range(2):
        link = wire.link(proxy)
        link.client.send(b"a" * 9)
        assert link.server.receive(9) == b"a" * 9
        link.server.send(b"d" * 100)
        assert link.client.receive(100) == b"d" * 100


def test_limit_data_counts_from_its_injection(wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.client.send(b"a" * 60)
    assert link.server.receive(60) == b"a" * 60
    proxy.add("limit_data", "upstream", bytes=50)
    link.client.send(b"b" * 60)
    assert link.server.rest() == (b"b" * 50, "end")

"""Toxics that take time: latency, bandwidth, slicer. Lower bounds come from each toxic's rule."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.contract.wire import ATTEMPTS, GRAIN_S, STREAMS, least, pattern

if TYPE_CHECKING:
    from toxiproxy_server import Kind

    from tests.contract.api import Proxy
    from tests.contract.wire import End, Stream, Wire

FOR_EVER_MS = 60_000
KILOBYTE = 1000


def passage_s(source: End, sink: End, data: bytes = b"x") -> float:
    """How long the data takes, to its last byte."""
    start = time.perf_counter()
    source.send(data)
    return sink.arrivals(len(data))[-1][0] - start


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_delays_every_chunk(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    proxy.add("latency", stream, latency=60)
    source, sink = wire.link(proxy).ends(stream)
    assert passage_s(source, sink) >= 0.060 - GRAIN_S
    assert passage_s(source, sink) >= 0.060 - GRAIN_S
    assert least(lambda: passage_s(source, sink), below=0.120) < 0.120


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_leaves_the_other_direction_alone(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    proxy.add("latency", stream, latency=FOR_EVER_MS)
    source, sink = wire.link(proxy).ends(stream)
    source.send(b"held")
    sink.send(b"free")
    assert source.receive(4) == b"free"
    assert sink.is_quiet()


def test_latency_does_not_delay_an_end_without_data(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", latency=FOR_EVER_MS)
    link = wire.link(proxy)
    link.server.close()
    assert link.client.ending() == "end"


@pytest.mark.parametrize("stream", STREAMS)
def test_an_end_waits_for_the_data_before_it(wire: Wire, proxy: Proxy, stream: Stream) -> None:
    proxy.add("latency", stream, latency=80)
    source, sink = wire.link(proxy).ends(stream)
    start = time.perf_counter()
    source.send(b"last words")
    source.close()
    assert sink.rest() == (b"last words", "end")
    assert time.perf_counter() - start >= 0.080 - GRAIN_S


def test_a_client_that_leaves_is_noticed_while_an_answer_is_held(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", latency=FOR_EVER_MS)
    link = wire.link(proxy)
    link.server.send(b"held")
    link.client.close()
    assert link.server.rest()[0] == b""


def test_latency_does_not_add_up_over_chunks_in_flight(wire: Wire, proxy: Proxy) -> None:
    """Ten chunks, 10 ms apart, are each 100 ms late: the last is here 190 ms after the first left.

    Where each waited for the one before, it would be a second.
    """
    proxy.add("latency", "upstream", latency=100)
    link = wire.link(proxy)

    def spread_s() -> float:
        start = time.perf_counter()
        for number in range(10):
            link.client.send(bytes([number]))
            time.sleep(0.010)
        arrivals = link.server.arrivals(10)
        assert b"".join(data for _, data in arrivals) == bytes(range(10))
        return arrivals[-1][0] - start

    assert least(spread_s, below=0.5) < 0.5


def test_jitter_keeps_within_its_bounds_and_varies(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", latency=60, jitter=40)
    links = [wire.link(proxy) for _ in range(20)]
    starts = []
    for link in links:
        starts.append(time.perf_counter())
        link.server.send(b"j")
    took = [
        link.client.arrivals(1)[0][0] - start for link, start in zip(links, starts, strict=True)
    ]
    assert min(took) >= 0.020 - GRAIN_S
    assert max(took) >= 0.060  # one chance in a million that none of 20 is over the middle


def test_jitter_keeps_the_order(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", "upstream", latency=20, jitter=20)
    link = wire.link(proxy)
    data = pattern(400)
    for start in range(0, len(data), 4):
        link.client.send(data[start : start + 4])
    assert link.server.receive(len(data)) == data


@pytest.mark.parametrize("stream", STREAMS)
def test_bandwidth_never_passes_more_than_its_rate(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    rate, size = 100, 25_000
    proxy.add("bandwidth", stream, rate=rate)
    source, sink = wire.link(proxy).ends(stream)
    data = pattern(size)
    start = time.perf_counter()
    source.send(data)
    arrivals = sink.arrivals(size)
    assert b"".join(part for _, part in arrivals) == data
    so_far = 0
    for at, part in arrivals:
        so_far += len(part)
        assert so_far <= rate * KILOBYTE * (at - start + GRAIN_S)


def test_bandwidth_reaches_its_rate(wire: Wire, proxy: Proxy) -> None:
    proxy.add("bandwidth", rate=1000)
    link = wire.link(proxy)
    data = pattern(100_000)
    assert least(lambda: passage_s(link.server, link.client, data), below=0.2) < 0.2


def test_bandwidth_counts_small_chunks_together(wire: Wire, proxy: Proxy) -> None:
    proxy.add("bandwidth", "upstream", rate=20)
    link = wire.link(proxy)
    start = time.perf_counter()
    for _ in range(20):
        link.client.send(b"s" * 150)
    assert link.server.arrivals(3000)[-1][0] - start >= 3000 / (20 * KILOBYTE) - GRAIN_S


def test_bandwidth_zero_lets_nothing_pass_until_it_is_healed(wire: Wire, proxy: Proxy) -> None:
    toxic = proxy.add("bandwidth", rate=0)
    link = wire.link(proxy)
    link.server.send(b"waits")
    assert link.client.is_quiet()
    toxic.remove()
    assert link.client.receive(5) == b"waits"


@pytest.mark.parametrize("stream", STREAMS)
def test_a_slicer_cuts_into_slices_with_a_pause_after_each(
    wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    """80 bytes by 10, 20 000 us apart: seven pauses before the last."""
    proxy.add("slicer", stream, average_size=10, delay=20_000)
    source, sink = wire.link(proxy).ends(stream)
    data = pattern(80)
    sizes: list[int] = []
    for _ in range(ATTEMPTS):  # a busy machine may take two slices for one
        start = time.perf_counter()
        source.send(data)
        arrivals = sink.arrivals(len(data))
        assert b"".join(part for _, part in arrivals) == data
        assert arrivals[-1][0] - start >= 7 * 0.020 - GRAIN_S
        sizes = [len(part) for _, part in arrivals]
        if sizes == [10] * 8:
            break
    assert sizes == [10] * 8


def test_a_slicer_varies_its_slices_within_the_variation(wire: Wire, proxy: Proxy) -> None:
    """No slice is longer than average and variation together."""
    proxy.add("slicer", "upstream", average_size=100, size_variation=50, delay=8_000)
    link = wire.link(proxy)
    data = pattern(2000)
    sizes: list[int] = []
    for _ in range(ATTEMPTS):
        link.client.send(data)
        arrivals = link.server.arrivals(len(data))
        assert b"".join(part for _, part in arrivals) == data
        sizes = [len(part) for _, part in arrivals]
        if max(sizes) <= 150 and len(set(sizes)) > 1:
            break
    assert max(sizes) <= 150
    assert len(set(sizes)) > 1


def test_a_slicer_leaves_small_chunks_whole(wire: Wire, proxy: Proxy) -> None:
    proxy.add("slicer", average_size=100, delay=50_000)
    link = wire.link(proxy)
    link.server.send(b"s" * 100)
    assert link.client.receive(100) == b"s" * 100


def test_latencies_of_both_directions_add_up_in_a_round_trip(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", "upstream", latency=40)
    proxy.add("latency", "downstream", latency=50)
    link = wire.link(proxy)
    start = time.perf_counter()
    link.client.send(b"ping")
    link.server.send(link.server.receive(4))
    assert link.client.receive(4) == b"ping"
    assert time.perf_counter() - start >= 0.090 - 2 * GRAIN_S


def test_two_latencies_add_up_for_a_single_chunk(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    """Toxiproxy takes off the second what the first was late to begin with on a busy machine."""
    proxy.add("latency", name="one", latency=50)
    proxy.add("latency", name="two", latency=60)
    link = wire.link(proxy)
    bound_s = 0.110 - GRAIN_S
    tries = ATTEMPTS if kind == "toxiproxy" else 1
    took_s = [passage_s(link.server, link.client) for _ in range(tries)]
    assert max(took_s) >= bound_s


def test_latency_then_bandwidth_takes_both_times(wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", latency=60)
    proxy.add("bandwidth", rate=100)
    link = wire.link(proxy)
    assert passage_s(link.server, link.client, b"b" * 6000) >= 0.120 - GRAIN_S


def test_latency_counts_from_arrival_through_a_bandwidth_before_it(
    wire: Wire, proxy: Proxy
) -> None:
    """200 ms in the bandwidth toxic are part of the 200 ms of latency: 200 in all, not 400."""
    proxy.add("bandwidth", rate=50)
    proxy.add("latency", latency=200)
    link = wire.link(proxy)

    def took_s() -> float:
        took = passage_s(link.server, link.client, b"b" * 5000 + b"c" * 5000)
        assert took >= 0.200 - GRAIN_S
        return took

    assert least(took_s, below=0.340) < 0.340


def test_a_slicer_and_a_bandwidth_conserve_the_bytes(wire: Wire, proxy: Proxy) -> None:
    proxy.add("slicer", average_size=64, size_variation=16, delay=100)
    proxy.add("bandwidth", rate=500)
    proxy.add("latency", latency=5, jitter=5)
    link = wire.link(proxy)
    data = pattern(20_000)
    link.server.send(data)
    link.server.close()
    assert link.client.rest() == (data, "end")

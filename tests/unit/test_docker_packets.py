"""IPv4 packets as a network namespace shows them, read as TCP segments."""

from __future__ import annotations

import pytest
from docker_cases import CLIENT, PROXY, packet
from hypothesis import given
from hypothesis import strategies as st

from crashloop.engines.docker.packets import ACK, FIN, SYN, Segment, parse

OPTIONS = st.integers(0, 10).map(lambda words: b"\x01" * 4 * words)


def parsed(raw: bytes, *, outgoing: bool = False) -> Segment:
    found = parse(raw, outgoing=outgoing)
    assert found is not None
    return found


def test_a_segment_has_the_packets_ends_flags_sequence_and_size() -> None:
    raw = packet(flags=FIN | ACK, sequence=4_000_000_000, payload=b"hello")

    assert parsed(raw, outgoing=True) == Segment(
        source=CLIENT,
        target=PROXY,
        flags=FIN | ACK,
        sequence=4_000_000_000,
        size_bytes=5,
        outgoing=True,
    )


def test_incoming_and_outgoing_segments_are_distinguished() -> None:
    assert parsed(packet(), outgoing=False).outgoing is False


@given(ip_options=OPTIONS, tcp_options=OPTIONS, payload=st.binary(max_size=40))
def test_options_of_both_headers_are_not_payload(
    ip_options: bytes, tcp_options: bytes, payload: bytes
) -> None:
    raw = packet(ip_options=ip_options, tcp_options=tcp_options, payload=payload, flags=SYN)

    found = parsed(raw)

    assert (found.size_bytes, found.flags) == (len(payload), SYN)
    assert (found.source, found.target) == (CLIENT, PROXY)


def test_the_padding_of_a_short_frame_is_not_payload() -> None:
    assert parsed(packet(payload=b"ab") + bytes(4)).size_bytes == 2


def test_a_payload_that_was_cut_off_still_counts_in_full() -> None:
    whole = packet(payload=bytes(1000))

    assert parsed(whole[:64]).size_bytes == 1000


def test_an_offloaded_segment_without_a_length_is_measured() -> None:
    assert parsed(packet(payload=bytes(70_000), total=0)).size_bytes == 70_000


def test_a_length_shorter_than_its_headers_gives_no_negative_payload() -> None:
    assert parsed(packet(payload=b"abc", total=20)).size_bytes == 0


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(packet()[:19], id="an IP header cut off"),
        pytest.param(packet()[:39], id="a TCP header cut off"),
        pytest.param(packet(ip_options=bytes(8))[:47], id="a TCP header cut off after options"),
        pytest.param(packet(protocol=17), id="UDP"),
        pytest.param(packet(version=6), id="IPv6"),
    ],
)
def test_an_incomplete_tcp_header_in_ipv4_is_not_a_segment(raw: bytes) -> None:
    assert parse(raw, outgoing=False) is None


def test_headers_alone_are_a_whole_segment() -> None:
    assert parsed(packet()).size_bytes == 0


@given(raw=st.binary(max_size=120), outgoing=st.booleans())
def test_no_bytes_at_all_break_the_reader(raw: bytes, outgoing: bool) -> None:
    found = parse(raw, outgoing=outgoing)

    assert found is None or found.size_bytes >= 0


@given(cut=st.integers(0, 59))
def test_a_packet_cut_anywhere_gives_its_own_ports_or_nothing(cut: int) -> None:
    found = parse(packet(tcp_options=bytes(12), payload=b"12345678")[:cut], outgoing=False)

    assert found is None or (found.source, found.target) == (CLIENT, PROXY)

"""What segments show of links through Toxiproxy: who connects, what is passed on, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from docker_cases import BACK, CLIENT, SPACE, Wire, kinds
from hypothesis import given
from hypothesis import strategies as st

from crashloop.engines.docker import packets
from crashloop.engines.docker.packets import ACK, FIN, RST, SYN, End, Links, Segment

OTHER: End = ("172.18.0.6", 40_001)
OTHER_BACK: End = ("172.19.0.3", 50_001)

ENDS = st.sampled_from([CLIENT, OTHER, BACK, OTHER_BACK, ("172.18.0.3", 5432), ("1.2.3.4", 5432)])
SEGMENTS = st.builds(
    Segment,
    source=ENDS,
    target=ENDS,
    flags=st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, 0, 0xFF]),
    sequence=st.integers(0, SPACE - 1) | st.sampled_from([0, 1, SPACE - 1]),
    size_bytes=st.integers(0, 2000),
    outgoing=st.booleans(),
)


def linked(*, first: int = 1000) -> Wire:
    """A wire on which the app is connected to Postgres."""
    wire = Wire(first=first)
    wire.connect()
    wire.dial()
    return wire


def test_a_link_is_followed_from_its_first_syn_to_its_end() -> None:
    wire = Wire()

    syn = wire.from_client(SYN)
    answer = wire.to_client(SYN | ACK)
    opened = wire.from_client(ACK)
    connected = wire.dial()
    closed = wire.from_client(FIN | ACK)

    assert kinds([*syn, *answer, *opened, *connected, *closed]) == [
        *("syn", "opened", "connected", "closed")
    ]
    every = {(each.data["link"], each.data["client"]) for each in [*syn, *opened, *closed]}
    assert every == {("toxi-1", "172.18.0.5:40000")}


def test_every_link_has_a_name_of_its_own() -> None:
    wire = Wire()

    names = [
        seen.data["link"] for seen in [*wire.from_client(SYN), *wire.from_client(SYN, who=OTHER)]
    ]

    assert names == ["toxi-1", "toxi-2"]


def test_a_client_is_refused_by_a_reset_in_place_of_an_answer() -> None:
    wire = Wire()
    wire.from_client(SYN)

    assert kinds(wire.to_client(RST | ACK)) == ["refused"]


def test_after_a_refusal_the_same_port_may_connect_again() -> None:
    wire = Wire()
    wire.from_client(SYN)
    wire.to_client(RST | ACK)

    (again,) = wire.from_client(SYN)

    assert (again.kind, again.data["link"]) == ("syn", "toxi-2")


def test_a_reset_of_an_open_link_is_its_end_and_not_a_refusal() -> None:
    wire = linked()

    (closed,) = wire.to_client(RST)

    assert closed.kind == "closed"
    assert (closed.data["by"], closed.data["reset"]) == ("proxy", True)


@pytest.mark.parametrize("end", [FIN | ACK, RST])
def test_a_link_that_postgres_ends_is_closed_by_the_upstream_and_had_no_answer(end: int) -> None:
    wire = linked()
    wire.from_database(end)

    (closed,) = wire.to_client(FIN | ACK)

    assert (closed.data["by"], closed.data["first_byte_down_ns"]) == ("upstream", 0)


def test_a_syn_that_is_sent_again_is_reported_once() -> None:
    wire = Wire()

    seen = [each for _ in range(4) for each in wire.from_client(SYN)]

    assert kinds(seen) == ["syn"]


def test_a_link_that_the_client_closes_is_reported_with_its_bytes() -> None:
    wire = linked()
    wire.from_client(size=30)
    wire.after(2)
    wire.to_client(size=1)
    wire.after(1)
    wire.to_client(size=69, offset=1)

    (closed,) = wire.from_client(FIN | ACK, offset=30)

    assert closed.data == {
        "link": "toxi-1",
        "client": "172.18.0.5:40000",
        "bytes_up": 30,
        "bytes_down": 70,
        "by": "client",
        "reset": False,
        "first_byte_down_ns": 2_000_000_000,
        "chunks": 0,
        "chunk_bytes": 0,
        "delay_s": 0.0,
    }


def test_after_the_end_nothing_more_is_reported_of_a_link() -> None:
    wire = linked()
    wire.from_client(FIN | ACK)

    late = [*wire.to_client(FIN | ACK), *wire.from_client(ACK), *wire.from_database(size=5)]

    assert late == []


def test_toxiproxys_dials_belong_to_the_clients_in_their_order() -> None:
    wire = Wire()
    wire.connect(CLIENT)
    wire.connect(OTHER)

    first, second = wire.dial(BACK), wire.dial(OTHER_BACK)
    wire.from_database(size=10, back=OTHER_BACK)

    assert [each.data["client"] for each in [*first, *second]] == [
        *("172.18.0.5:40000", "172.18.0.6:40001")
    ]
    assert wire.to_client(size=10, who=CLIENT) == []
    assert kinds(wire.to_client(size=10, who=OTHER)) == ["passed"]


def test_a_dial_whose_syn_is_sent_again_takes_no_second_client() -> None:
    wire = Wire()
    wire.connect(CLIENT)
    wire.connect(OTHER)
    wire.to_database(SYN)
    wire.to_database(SYN)

    (connected,) = wire.dial(OTHER_BACK)

    assert connected.data["client"] == "172.18.0.6:40001"


def test_a_client_that_has_not_finished_its_handshake_is_not_dialled_for() -> None:
    wire = Wire()
    wire.from_client(SYN, who=OTHER)
    wire.connect(CLIENT)

    (connected,) = wire.dial()

    assert connected.data["client"] == "172.18.0.5:40000"


def test_a_link_that_was_closed_before_its_dial_takes_no_other_links_dial() -> None:
    wire = Wire()
    wire.connect(CLIENT)
    wire.from_client(FIN | ACK)
    assert wire.dial(BACK) == []
    wire.connect(OTHER)

    (connected,) = wire.dial(OTHER_BACK)

    assert connected.data["client"] == "172.18.0.6:40001"


def test_toxiproxy_may_dial_from_the_port_of_a_link_that_has_ended() -> None:
    wire = Wire()
    wire.connect(CLIENT)
    wire.dial(BACK)
    wire.from_client(FIN | ACK)
    wire.connect(OTHER)

    (connected,) = wire.dial(BACK)

    assert connected.data["client"] == "172.18.0.6:40001"


def test_a_dial_without_a_client_shows_nothing() -> None:
    wire = Wire()

    assert [*wire.dial(), *wire.from_database(size=10)] == []


def test_segments_of_links_from_before_show_nothing() -> None:
    wire = Wire()

    seen = [*wire.from_client(size=5), *wire.to_client(size=5), *wire.from_client(FIN | ACK)]

    assert seen == []


def test_segments_to_other_ports_show_nothing() -> None:
    links = Links(port=1)
    syn = Segment(source=CLIENT, target=OTHER, flags=SYN, sequence=0, size_bytes=0, outgoing=False)

    assert list(links.take(syn, 0)) == []


def test_links_beyond_the_bound_are_reported_by_their_syn_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packets, "MAX_LINKS", 1)
    wire = Wire()
    wire.connect(CLIENT)

    assert kinds(wire.connect(OTHER)) == ["syn"]
    assert len(wire.links._links) == 1


def test_a_link_that_ends_makes_room_below_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "MAX_LINKS", 1)
    wire = linked()
    wire.from_client(RST)

    assert kinds(wire.connect(OTHER)) == ["syn", "opened"]


@given(segments=st.lists(SEGMENTS, max_size=60))
def test_no_segments_break_it_and_no_count_of_bytes_falls(segments: list[Segment]) -> None:
    links = Links(port=5432)
    counted: dict[str, tuple[int, int, int]] = {}
    seen: list[tuple[str, object]] = []
    for now_ns, segment in enumerate(segments):
        seen += [(each.kind, each.data["link"]) for each in links.take(segment, now_ns)]
        for link in links._links.values():
            now = (link.up.bytes_seen, link.down.bytes_seen, link.upstream.bytes_seen)
            before = counted.get(link.name, (0, 0, 0))
            assert all(a <= b for a, b in zip(before, now, strict=True))
            counted[link.name] = now
    for kind in ("syn", "refused", "opened", "closed"):
        names = [name for each, name in seen if each == kind]
        assert len(names) == len(set(names)), f"a link was {kind} twice"


def test_a_dial_for_a_client_that_has_gone_is_not_the_next_clients() -> None:
    wire = Wire()
    wire.connect(CLIENT)
    wire.from_client(FIN | ACK)
    wire.connect(OTHER)

    assert wire.dial(BACK) == []
    (connected,) = wire.dial(OTHER_BACK)

    assert connected.data["client"] == "172.18.0.6:40001"


def test_a_new_client_on_the_port_of_a_dropped_syn_is_another_client() -> None:
    links = Links(port=5432)
    one = Segment(
        source=CLIENT,
        target=("172.18.0.2", 5432),
        flags=SYN,
        sequence=0,
        size_bytes=0,
        outgoing=False,
    )

    def syn(sequence: int) -> list[str]:
        return kinds(list(links.take(replace(one, sequence=sequence), 0)))

    shown = [syn(100), syn(100), syn(7_000)]

    assert shown == [["syn"], [], ["syn"]]

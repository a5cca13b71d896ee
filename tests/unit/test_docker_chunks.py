"""The bytes of links through Toxiproxy: what was passed on, how late, and how much in all."""

from __future__ import annotations

import pytest
from docker_cases import SPACE, Wire, kinds
from hypothesis import given
from hypothesis import strategies as st

from crashloop.engines.docker.packets import ACK, FIN


def linked(*, first: int = 1000) -> Wire:
    """A wire on which the app is connected to Postgres."""
    wire = Wire(first=first)
    wire.connect()
    wire.dial()
    return wire


def test_the_last_bytes_of_a_link_may_come_with_its_end() -> None:
    wire = linked()

    (closed,) = wire.to_client(FIN | ACK, size=9)

    assert closed.data["bytes_down"] == 9


def test_a_chunk_is_passed_with_the_delay_since_it_came_from_the_database() -> None:
    wire = linked()
    wire.after(1)
    wire.from_database(size=100)
    wire.after(0.25)

    (passed,) = wire.to_client(size=100)

    assert passed.kind == "passed"
    assert passed.data == {
        "link": "toxi-1",
        "client": "172.18.0.5:40000",
        "chunk": 1,
        "delay_s": 0.25,
        "delivered": True,
        "passed_bytes": 100,
    }


def test_a_chunk_is_passed_when_its_first_byte_is() -> None:
    wire = linked()
    wire.from_database(size=100)
    wire.from_database(size=100, offset=100)

    assert kinds(wire.to_client(size=100)) == ["passed"]
    assert kinds(wire.to_client(size=1, offset=100)) == ["passed"]


def test_chunks_that_are_passed_in_one_segment_have_their_own_delays() -> None:
    wire = linked()
    wire.from_database(size=10)
    wire.after(0.5)
    wire.from_database(size=10, offset=10)
    wire.after(0.5)

    passed = wire.to_client(size=20)

    assert [each.data["delay_s"] for each in passed] == [1.0, 0.5]


def test_a_chunk_that_was_never_passed_on_is_reported_at_the_end_as_undelivered() -> None:
    wire = linked()
    wire.from_database(size=100)
    wire.after(2)

    passed, closed = wire.from_client(FIN | ACK)

    assert (passed.data["delivered"], passed.data["delay_s"]) == (False, 2.0)
    assert (closed.kind, closed.data["bytes_down"]) == ("closed", 0)


def test_only_the_first_three_chunks_of_a_link_are_reported() -> None:
    wire = linked()
    seen = []
    for number in range(6):
        seen += wire.from_database(size=10, offset=10 * number)
        seen += wire.to_client(size=10, offset=10 * number)

    assert [each.data["chunk"] for each in seen] == [1, 2, 3]


def test_the_end_of_a_link_says_how_late_all_its_chunks_were_together() -> None:
    wire = linked()
    for number in range(6):
        wire.from_database(size=10, offset=10 * number)
    wire.after(0.5)

    assert kinds(wire.to_client(size=60)) == ["passed"] * 3
    (closed,) = wire.from_client(FIN | ACK)
    assert (closed.data["chunks"], closed.data["chunk_bytes"]) == (6, 60)
    assert closed.data["delay_s"] == 3.0


def test_a_chunk_that_is_sent_again_is_reported_once() -> None:
    wire = linked()
    wire.from_database(size=100)
    wire.from_database(size=100)

    assert kinds(wire.to_client(size=100)) == ["passed"]
    assert kinds(wire.to_client(size=100)) == []


def test_bytes_that_are_sent_again_count_once() -> None:
    wire = linked()
    wire.from_client(size=100)
    wire.from_client(size=100)
    wire.from_client(size=100, offset=50)

    (closed,) = wire.from_client(FIN | ACK, offset=150)

    assert closed.data["bytes_up"] == 150


@pytest.mark.parametrize("first", [SPACE - 1, SPACE - 2, SPACE - 60, 0])
def test_sequence_numbers_may_wrap_around(first: int) -> None:
    wire = linked(first=first)
    for offset in (0, 50, 50):
        wire.from_client(size=50, offset=offset)
        wire.from_database(size=50, offset=offset)

    assert kinds(wire.to_client(size=100)) == ["passed", "passed"]
    (closed,) = wire.from_client(FIN | ACK, offset=100)
    assert (closed.data["bytes_up"], closed.data["bytes_down"]) == (100, 100)


@given(
    first=st.integers(0, SPACE - 1),
    cuts=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=30),
)
def test_repeated_and_late_segments_change_no_byte(first: int, cuts: list[tuple[int, int]]) -> None:
    wire = linked(first=first)
    for offset, size in cuts:
        wire.from_client(size=size, offset=offset)

    (closed,) = wire.from_client(FIN | ACK)

    assert closed.data["bytes_up"] == max((offset + size for offset, size in cuts), default=0)

"""Toxics as JSON and as faults, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crashloop.proxy.api.decode import first_value
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.kinds import KINDS
from crashloop.proxy.api.wire import Draft, Toxic
from crashloop.proxy.faults import (
    AcceptClose,
    Bandwidth,
    BlackHole,
    ConnectDelay,
    Fault,
    Hold,
    Latency,
    LimitData,
    Refuse,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)

CASES: list[tuple[str, dict[str, Any], Fault]] = [
    ("latency", {"latency": 5, "jitter": 2}, Latency(latency_s=0.005, jitter_s=0.002)),
    ("latency", {"latency": 0.5, "jitter": 0}, Latency(latency_s=0.0005)),
    ("bandwidth", {"rate": 7}, Bandwidth(rate_bytes_s=7000)),
    ("bandwidth", {"rate": 0.5}, Bandwidth(rate_bytes_s=500)),
    ("slow_close", {"delay": 10}, SlowClose(delay_s=0.01)),
    ("timeout", {"timeout": 0}, Timeout(timeout_s=0)),
    ("reset_peer", {"timeout": 1}, ResetPeer(timeout_s=0.001)),
    (
        "slicer",
        {"average_size": 9, "size_variation": 3, "delay": 250},
        Slicer(average_bytes=9, variation_bytes=3, delay_s=0.00025),
    ),
    ("limit_data", {"bytes": 100}, LimitData(limit_bytes=100)),
    ("hold", {"delay": 0}, Hold()),
    ("hold", {"delay": 1500}, Hold(delay_s=1.5)),
    ("accept_close", {"reset": True}, AcceptClose(reset=True)),
    ("refuse", {"connections": 2}, Refuse(connections=2)),
    ("refuse", {}, Refuse()),
    ("black_hole", {}, BlackHole()),
    ("connect_delay", {"delay": 3000}, ConnectDelay(delay_s=3)),
]


def made(**fields: object) -> Toxic:
    """The toxic of a body."""
    return Draft.read(first_value(json.dumps(fields).encode())).toxic()


@pytest.mark.parametrize(("type_", "attributes", "fault"), CASES)
def test_a_toxic_is_its_fault_and_a_fault_its_toxic(
    type_: str, attributes: dict[str, Any], fault: Fault
) -> None:
    toxic = made(type=type_, name="x", attributes=attributes)
    assert toxic.fault() == fault
    assert Toxic.of("x", fault) == toxic
    assert toxic.document()["attributes"] == attributes


def test_every_type_is_tried_here() -> None:
    assert {type_ for type_, _, _ in CASES} == set(KINDS) - {"noop"}


def test_direction_toxicity_and_connections_are_the_faults_too() -> None:
    toxic = made(type="timeout", stream="UPSTREAM", toxicity=0.3, attributes={"connections": 4})
    assert toxic.fault() == Timeout(timeout_s=0, direction="upstream", toxicity=0.3, connections=4)
    assert toxic.document() == {
        "attributes": {"timeout": 0, "connections": 4},
        "name": "timeout_UPSTREAM",
        "type": "timeout",
        "stream": "UPSTREAM",
        "toxicity": 0.3,
    }


def test_a_noop_is_shown_and_is_no_fault() -> None:
    toxic = made(type="noop", attributes={"x": 1})
    assert toxic.fault() is None
    assert json.dumps(toxic.document()) == (
        '{"attributes": {}, "name": "noop_downstream", "type": "noop", '
        '"stream": "downstream", "toxicity": 1}'
    )


def test_attributes_have_toxiproxys_defaults_order_and_whole_numbers() -> None:
    text = json.dumps(made(type="latency", name="n", attributes=None).document())
    assert text.startswith('{"attributes": {"latency": 0, "jitter": 0}, "name": "n"')
    huge = made(type="latency", attributes={"LATENCY": 2**63 - 1})
    assert huge.attributes["latency"] == 2**63 - 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "invalid toxic type"),
        ({"type": "LATENCY"}, "invalid toxic type"),
        ({"type": "nope", "stream": "sideways"}, "stream was invalid, can be either upstream"),
        ({"type": "latency", "attributes": 5}, "ToxicWrapper.attributes of type toxics.NoopToxic"),
        (
            {"type": "slicer", "attributes": {"average_size": "x"}},
            "string into Go struct field SlicerToxic.attributes.average_size of type int",
        ),
        (
            {"type": "slicer", "attributes": {"average_size": 1.5}},
            "number 1.5 into Go struct field SlicerToxic.attributes.average_size of type int",
        ),
        ({"type": "latency", "toxicity": 2}, "toxicity must be 0 to 1, not 2"),
        ({"type": "latency", "toxicity": -1}, "toxicity must be 0 to 1, not -1"),
        ({"type": "latency", "attributes": {"latency": -5}}, "latency of latency must be 0 or"),
        ({"type": "bandwidth", "attributes": {"rate": -1}}, "rate of bandwidth must be 0 or more"),
        ({"type": "slicer"}, "average_size of slicer must be 1 or more, not 0"),
        (
            {"type": "slicer", "attributes": {"average_size": 2, "size_variation": 3}},
            "size_variation must be average_size, 2, at most, not 3",
        ),
        ({"type": "hold", "attributes": {"connections": 0}}, "connections of hold must be 1"),
        ({"type": "black_hole", "toxicity": 0.5}, "toxicity must be 1 for black_hole"),
    ],
)
def test_what_has_no_meaning_is_answered_400(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ApiError) as caught:
        made(**fields)
    assert words in caught.value.message
    assert caught.value.status == 400


def test_an_update_keeps_what_is_not_given_and_ignores_the_rest() -> None:
    toxic = made(type="latency", name="n", toxicity=0.5, attributes={"latency": 7, "jitter": 3})
    body = b'{"name":5,"type":"x","stream":5,"attributes":{"jitter":4,"latency":null}}'
    changed = toxic.changed(first_value(body))
    assert changed.attributes == {"latency": 7, "jitter": 4}
    assert (changed.name, changed.toxicity, changed.direction) == ("n", 0.5, "downstream")
    assert toxic.changed(first_value(b"null")) == toxic


def test_a_wrong_update_is_told_in_gos_words() -> None:
    toxic = made(type="latency", name="n")
    for body, words in (
        (b'{"toxicity":"x"}', "string into Go struct field .toxicity of type float32"),
        (
            b'{"attributes":5}',
            "number into Go struct field .attributes of type toxics.LatencyToxic",
        ),
        (b"[]", 'array into Go value of type struct { Attributes interface {} "json:\\"attri'),
    ):
        with pytest.raises(ApiError) as caught:
            toxic.changed(first_value(body))
        assert words in caught.value.message


def test_equal_keys_of_attributes_add_up() -> None:
    body = b'{"type":"latency","attributes":{"latency":1},"attributes":{"jitter":2}}'
    toxic = Draft.read(first_value(body)).toxic()
    assert toxic.attributes == {"latency": 1, "jitter": 2}

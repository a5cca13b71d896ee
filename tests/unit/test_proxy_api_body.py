"""Bodies are read by name, checked by type, and nothing in them is lost in silence."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

import pytest

from crashloop.proxy.api.body import Members, parse
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.toxic import TYPES, Toxic, changed, read_toxic
from crashloop.proxy.faults import Hold, Latency, Slicer, Timeout


def read(text: str) -> tuple[Toxic, list[str]]:
    """A toxic as a client writes it, and the warnings."""
    warnings: list[str] = []
    return read_toxic(parse(text.encode()), warnings), warnings


def made(**fields: Any) -> Toxic:
    toxic, warnings = read(json.dumps(fields))
    assert warnings == []
    return toxic


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" \n", b"{", b'{"a":NaN}', b'{"a":-Infinity}', b"{'a':1}", b"{} more"),
        *(b'"\xff"', b"[" * 100_000, b'{"a":' + b"9" * 10_000 + b"}"),
    ],
    ids=lambda body: repr(body)[:20],
)
def test_what_is_not_json_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(ApiError, match=r"^bad request body: ") as caught:
        parse(body)
    assert caught.value.status == 400


def test_names_count_in_any_case_and_null_counts_as_absent() -> None:
    members = Members(parse(b'{"NAME":"x","listen":null}'), "it", [])
    assert members.take("name", str, "") == "x"
    assert members.take("listen", str, "default") == "default"
    assert Members(None, "it", []).take("name", str, "y") == "y"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": 5}, "name of the toxic must be a string, not 5"),
        ({"name": "\ud800"}, "half of a surrogate pair"),
        ({"toxicity": "x"}, "toxicity of the toxic must be a number, not 'x'"),
        ({"attributes": []}, "attributes of the toxic must be an object"),
        ({"type": "latency", "attributes": {"latency": True}}, "must be a number, not true"),
        ({"type": "latency", "attributes": {"latency": 1 << 63}}, "too large a number"),
        ({"type": "limit_data", "attributes": {"bytes": 1.5}}, "must be a whole number, not 1.5"),
        ({"type": "accept_close", "attributes": {"reset": 1}}, "must be true or false, not 1"),
        ({}, "invalid toxic type: '' is not one of latency, bandwidth,"),
        ({"type": "x", "stream": "sideways"}, "stream was invalid"),
        ({"type": "latency", "toxicity": 2}, "toxicity"),
        ({"type": "latency", "attributes": {"latency": -5}}, "latency of latency must be 0 or"),
        ({"type": "slicer"}, "average_size of slicer must be 1"),
        ({"type": "hold", "attributes": {"connections": 0}}, "connections of hold must be 1"),
        ({"type": "black_hole", "toxicity": 0.5}, "toxicity must be 1 for black_hole"),
    ],
)
def test_a_toxic_without_a_meaning_is_answered_400(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as caught:
        made(**fields)
    assert words in caught.value.message
    assert caught.value.status == 400


def test_a_number_that_is_infinite_is_too_large() -> None:
    with pytest.raises(ApiError, match="too large a number"):
        read('{"type":"latency","attributes":{"latency":1e400}}')


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read_with_its_defaults_and_shown(kind: str) -> None:
    needed = {"slicer": {"average_size": 1}, "slow_connect": {"high": 1}}
    attributes = needed.get(kind, {})
    shown = made(type=kind, attributes=attributes).document()
    assert (shown["type"], shown["name"], shown["toxicity"]) == (kind, f"{kind}_downstream", 1)
    assert made(**shown).document() == shown


def test_what_is_given_becomes_the_fault() -> None:
    given = {"timeout": 0, "connections": 4}
    toxic = made(type="timeout", stream="UPSTREAM", toxicity=0.3, attributes=given)
    assert toxic.fault == Timeout(timeout_s=0, direction="upstream", toxicity=0.3, connections=4)
    assert toxic.document() == {
        "attributes": given,
        "name": "timeout_UPSTREAM",
        "type": "timeout",
        "stream": "UPSTREAM",
        "toxicity": 0.3,
    }
    assert made(type="hold").fault == Hold()


def test_a_warning_names_what_is_unknown_and_what_is_known() -> None:
    toxic, warnings = read('{"type":"latency","attributes":{"latecy":100},"toxicty":0.5}')
    assert toxic.fault == Latency(latency_s=0)
    attributes = "latency, jitter, connections"
    known = "name, type, stream, toxicity, attributes"
    assert warnings == [
        f"the toxic: 'toxicty' is unknown and was ignored; known: {known}",
        f"attributes of latency: 'latecy' is unknown and was ignored; known: {attributes}",
    ]


def test_an_update_keeps_what_is_not_given_and_warns_of_what_is_unknown() -> None:
    toxic = made(type="latency", toxicity=0.5, attributes={"latency": 7, "jitter": 3})
    warnings: list[str] = []
    body = parse(b'{"name":5,"type":"x","attributes":{"jitter":4,"latency":null,"z":1}}')
    after = changed(toxic, body, warnings)
    assert after.fault == Latency(latency_s=0.007, jitter_s=0.004, toxicity=0.5)
    assert (after.name, after.stream) == (toxic.name, toxic.stream)
    assert len(warnings) == 1
    assert "'z' is unknown" in warnings[0]
    assert changed(toxic, None, []) == toxic


def test_an_update_without_a_meaning_is_refused() -> None:
    toxic = made(type="slicer", attributes={"average_size": 5})
    assert isinstance(toxic.fault, Slicer)
    for body in (b'{"attributes":{"size_variation":6}}', b'{"toxicity":2}', b"[]"):
        with pytest.raises(ApiError):
            changed(toxic, parse(body), [])


def test_any_damaged_body_is_refused_or_read() -> None:
    rng = random.Random(5)  # noqa: S311  the same damage in every run
    whole = b'{"name":"a\\u00e9\\n","type":"latency","x":[1.5e3,{"b":null}],"toxicity":0.5}'
    for _ in range(3000):
        damaged = bytearray(whole[: rng.randrange(1, len(whole) + 1)])
        for _ in range(rng.randrange(3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(ApiError):
            read_toxic(parse(bytes(damaged)), [])

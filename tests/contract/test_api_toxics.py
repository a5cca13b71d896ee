"""Toxics over the HTTP API: made, shown, changed, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.api import Api, Proxy

JSON = "application/json"
DEFAULTS: dict[str, dict[str, int]] = {
    "latency": {"latency": 0, "jitter": 0},
    "bandwidth": {"rate": 0},
    "slow_close": {"delay": 0},
    "timeout": {"timeout": 0},
    "reset_peer": {"timeout": 0},
    "slicer": {"average_size": 0, "size_variation": 0, "delay": 0},
    "limit_data": {"bytes": 0},
}
GIVEN: dict[str, dict[str, int]] = {
    "latency": {"latency": 7, "jitter": 2},
    "bandwidth": {"rate": 9},
    "slow_close": {"delay": 8},
    "timeout": {"timeout": 6},
    "reset_peer": {"timeout": 5},
    "slicer": {"average_size": 64, "size_variation": 3, "delay": 11},
    "limit_data": {"bytes": 1234},
}


def toxics(proxy: Proxy) -> str:
    return f"{proxy.path}/toxics"


def body_of(kind: str, stream: str = "downstream", **fields: object) -> dict[str, Any]:
    """What a toxic shows, in full."""
    shown: dict[str, Any] = {
        "attributes": DEFAULTS[kind],
        "name": f"{kind}_{stream}",
        "type": kind,
        "stream": stream,
        "toxicity": 1,
    }
    return {**shown, **fields}


@pytest.mark.parametrize("kind_of_toxic", [kind for kind in DEFAULTS if kind != "slicer"])
def test_a_toxic_without_attributes_has_zeros(api: Api, proxy: Proxy, kind_of_toxic: str) -> None:
    answer = api.post(toxics(proxy), {"type": kind_of_toxic})
    assert answer.expect(200) == body_of(kind_of_toxic)
    assert answer.content_type == JSON


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
@pytest.mark.parametrize("kind_of_toxic", GIVEN)
def test_a_toxic_is_shown_in_full(api: Api, proxy: Proxy, kind_of_toxic: str, stream: str) -> None:
    attributes = GIVEN[kind_of_toxic]
    body = {"type": kind_of_toxic, "stream": stream, "attributes": attributes, "toxicity": 0.5}
    expected = body_of(kind_of_toxic, stream, attributes=attributes, toxicity=0.5)
    answer = api.post(toxics(proxy), body)
    assert answer.expect(200) == expected
    assert list(answer.json) == ["attributes", "name", "type", "stream", "toxicity"]
    assert list(answer.json["attributes"]) == list(attributes)
    one = api.get(f"{toxics(proxy)}/{expected['name']}")
    assert (one.expect(200), one.content_type) == (expected, JSON)
    every = api.get(toxics(proxy))
    assert (every.expect(200), every.content_type) == ([expected], JSON)
    assert proxy.show()["toxics"] == [expected]


def test_a_proxy_without_toxics_has_an_empty_list(api: Api, proxy: Proxy) -> None:
    assert api.get(toxics(proxy)).expect(200) == []


def test_toxics_are_listed_upstream_first_then_in_order_of_injection(
    api: Api, proxy: Proxy
) -> None:
    for name, stream in (("d1", "downstream"), ("u1", "upstream"), ("d0", "downstream")):
        proxy.add("latency", stream, name=name)
    proxy.add("bandwidth", "upstream", name="u0", rate=1)
    listed = [toxic["name"] for toxic in api.get(toxics(proxy)).expect(200)]
    assert listed == ["u1", "u0", "d1", "d0"]


def test_a_name_may_be_used_once_in_both_streams_together(api: Api, proxy: Proxy) -> None:
    proxy.add("latency", name="one")
    body = {"type": "bandwidth", "stream": "upstream", "name": "one", "attributes": {"rate": 1}}
    answer = api.post(toxics(proxy), body)
    assert answer.expect(409) == {"error": "toxic already exists", "status": 409}
    assert len(api.get(toxics(proxy)).json) == 1


def test_the_default_name_is_type_and_stream(api: Api, proxy: Proxy) -> None:
    proxy.add("latency")
    proxy.add("latency", "upstream")
    assert api.post(toxics(proxy), {"type": "latency", "name": ""}).status == 409
    listed = [toxic["name"] for toxic in api.get(toxics(proxy)).json]
    assert listed == ["latency_upstream", "latency_downstream"]


@pytest.mark.parametrize("stream", ["Upstream", "DOWNSTREAM"])
def test_a_stream_is_read_in_any_case_and_shown_as_written(
    api: Api, proxy: Proxy, stream: str
) -> None:
    answer = api.post(toxics(proxy), {"type": "latency", "stream": stream})
    assert answer.expect(200) == body_of("latency", stream)


def test_keys_are_read_in_any_case(api: Api, proxy: Proxy) -> None:
    body = {"TYPE": "latency", "Toxicity": 0.25, "Attributes": {"LATENCY": 5}}
    expected = body_of("latency", attributes={"latency": 5, "jitter": 0}, toxicity=0.25)
    assert api.post(toxics(proxy), body).expect(200) == expected


def test_null_counts_as_absent(api: Api, proxy: Proxy) -> None:
    body = {"type": "latency", "name": None, "stream": None, "toxicity": None, "attributes": None}
    assert api.post(toxics(proxy), body).expect(200) == body_of("latency")
    rate = {"type": "bandwidth", "attributes": {"rate": None}}
    assert api.post(toxics(proxy), rate).expect(200) == body_of("bandwidth")


@pytest.mark.parametrize(
    "body",
    [{}, {"type": ""}, {"type": "down"}, {"type": "Latency"}, {"type": None}, {"name": "x"}],
)
def test_an_unknown_type_is_a_400(api: Api, proxy: Proxy, body: dict[str, Any]) -> None:
    answer = api.post(toxics(proxy), body)
    assert answer.expect(400)["error"].startswith("invalid toxic type")


@pytest.mark.parametrize("stream", ["", "x", "both"])
def test_an_unknown_stream_is_a_400(api: Api, proxy: Proxy, stream: str) -> None:
    answer = api.post(toxics(proxy), {"type": "latency", "stream": stream})
    error = "stream was invalid, can be either upstream or downstream"
    assert answer.expect(400) == {"error": error, "status": 400}


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {"latency": "5"}},
        {"attributes": {"latency": True}},
        {"attributes": {"latency": [5]}},
        {"attributes": {"latency": 1 << 63}},
        {"attributes": []},
        {"attributes": 5},
        {"attributes": "x"},
        {"toxicity": "1"},
        {"name": 5},
        {"stream": 5},
        {"type": 5},
    ],
)
def test_a_value_of_the_wrong_type_is_a_400_and_adds_nothing(
    api: Api, proxy: Proxy, fields: dict[str, Any]
) -> None:
    answer = api.post(toxics(proxy), {"type": "latency", **fields})
    assert answer.expect(400)["error"].startswith("bad request body: ")
    assert answer.json["status"] == 400
    assert api.get(toxics(proxy)).json == []


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_update_changes_the_attributes_that_it_names(
    api: Api, proxy: Proxy, method: str
) -> None:
    toxic = proxy.add("latency", latency=7, jitter=2)
    answer = api.request(method, toxic.path, {"attributes": {"jitter": 3}})
    expected = body_of("latency", attributes={"latency": 7, "jitter": 3})
    assert answer.expect(200) == expected
    assert answer.content_type == JSON
    assert toxic.show() == expected


def test_an_update_changes_the_toxicity(api: Api, proxy: Proxy) -> None:
    toxic = proxy.add("latency", latency=7)
    expected = body_of("latency", attributes={"latency": 7, "jitter": 0}, toxicity=0.5)
    assert api.patch(toxic.path, {"Toxicity": 0.5}).expect(200) == expected


def test_an_update_changes_neither_name_nor_type_nor_stream(api: Api, proxy: Proxy) -> None:
    toxic = proxy.add("latency", latency=7)
    before = toxic.show()
    body = {"name": "other", "type": "bandwidth", "stream": "upstream"}
    assert api.patch(toxic.path, body).expect(200) == before
    assert api.get(toxics(proxy)).json == [before]


@pytest.mark.parametrize(
    "text",
    ["{}", "null", '{"attributes":null,"toxicity":null}', '{"attributes":{"latency":null}}'],
)
def test_an_update_of_nothing_changes_nothing(api: Api, proxy: Proxy, text: str) -> None:
    toxic = proxy.add("latency", latency=7)
    before = toxic.show()
    assert api.request("PATCH", toxic.path, text=text).expect(200) == before
    assert toxic.show() == before


@pytest.mark.parametrize(
    "fields", [{"toxicity": "x"}, {"attributes": []}, {"attributes": {"latency": "x"}}, []]
)
def test_an_update_of_the_wrong_type_is_a_400(api: Api, proxy: Proxy, fields: object) -> None:
    toxic = proxy.add("latency", latency=7)
    before = toxic.show()
    answer = api.patch(toxic.path, fields)
    assert answer.expect(400)["error"].startswith("bad request body: ")
    assert toxic.show() == before


def test_a_removed_toxic_is_not_listed(api: Api, proxy: Proxy) -> None:
    toxic = proxy.add("latency")
    kept = proxy.add("latency", "upstream")
    answer = api.delete(toxic.path)
    assert (answer.status, answer.text, answer.content_type) == (204, "", None)
    assert api.get(toxics(proxy)).json == [kept.show()]
    assert api.delete(toxic.path).status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_unknown_toxic_is_a_404_for_every_request(api: Api, proxy: Proxy, method: str) -> None:
    answer = api.request(method, f"{toxics(proxy)}/nothing", text="{}")
    assert answer.expect(404) == {"error": "toxic not found", "status": 404}


def test_toxics_stay_when_their_proxy_is_disabled_and_moved(proxy: Proxy) -> None:
    toxic = proxy.add("latency", latency=5)
    proxy.update(enabled=False)
    added = proxy.add("latency", "upstream", latency=6)
    proxy.update(listen="127.0.0.1:0", enabled=True)
    assert proxy.show()["toxics"] == [added.show(), toxic.show()]

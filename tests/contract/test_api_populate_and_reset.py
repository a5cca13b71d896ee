"""Many proxies in one request, and everything healed in one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.api import LOOPBACK, path_of, unique

if TYPE_CHECKING:
    from tests.contract.api import Api, Proxy
    from tests.contract.wire import Wire

UPSTREAM = "127.0.0.1:9"


def wanted(name: str, **fields: object) -> dict[str, Any]:
    return {"name": name, "listen": LOOPBACK, "upstream": UPSTREAM, **fields}


def test_populate_makes_every_proxy_and_shows_them_in_order(api: Api) -> None:
    names = [unique(), unique(), unique()]
    body = [wanted(names[0]), wanted(names[1], enabled=False), wanted(names[2], enabled=None)]
    answer = api.post("/populate", body)
    made = answer.expect(201)
    assert answer.content_type == "application/json"
    assert list(made) == ["proxies"]
    assert [each["name"] for each in made["proxies"]] == names
    assert [each["enabled"] for each in made["proxies"]] == [True, False, True]
    assert made["proxies"] == [api.get(path_of(name)).expect(200) for name in names]


@pytest.mark.parametrize("text", ["[]", "null"])
def test_populate_of_nothing_makes_nothing(api: Api, text: str) -> None:
    assert api.request("POST", "/populate", text=text).expect(201) == {"proxies": None}


def test_populate_leaves_a_proxy_at_the_same_addresses_as_it_is(
    api: Api, wire: Wire, proxy: Proxy
) -> None:
    proxy.add("latency", latency=1)
    link = wire.link(proxy)
    before = proxy.show()
    body = [{"name": proxy.name, "listen": before["listen"], "upstream": wire.upstream}]
    assert api.post("/populate", body).expect(201) == {"proxies": [before]}
    link.client.send(b"still here")
    assert link.server.receive(10) == b"still here"


def test_populate_leaves_such_a_proxy_even_if_enabled_differs(api: Api, proxy: Proxy) -> None:
    before = proxy.show()
    body = [{key: before[key] for key in ("name", "listen", "upstream")} | {"enabled": False}]
    assert api.post("/populate", body).expect(201) == {"proxies": [before]}
    assert proxy.show() == before


@pytest.mark.parametrize("changed", ["listen", "upstream"])
def test_populate_replaces_a_proxy_at_other_addresses_without_its_toxics(
    api: Api, wire: Wire, proxy: Proxy, changed: str
) -> None:
    proxy.add("latency", latency=1)
    link = wire.link(proxy)
    before = proxy.show()
    body = {key: before[key] for key in ("name", "listen", "upstream")}
    body[changed] = {"listen": "localhost:0", "upstream": UPSTREAM}[changed]
    made = api.post("/populate", [body]).expect(201)["proxies"][0]
    assert made["toxics"] == []
    assert made[changed] != before[changed]
    assert made == proxy.show()
    assert link.client.rest()[0] == b""


def test_populate_checks_every_field_before_it_makes_anything(api: Api) -> None:
    good = unique()
    for bad, missing in (({"name": "x"}, "upstream"), ({}, "name"), (None, "name")):
        answer = api.post("/populate", [wanted(good), bad])
        assert answer.expect(400) == {
            "error": f"missing required field: {missing} at proxy 2",
            "status": 400,
            "proxies": None,
        }
        assert list(answer.json) == ["error", "status", "proxies"]
        assert answer.content_type == "application/json"
    assert api.get(path_of(good)).status == 404


def test_populate_stops_at_the_first_that_cannot_listen_and_shows_those_before(api: Api) -> None:
    names = [unique(), unique(), unique()]
    body = [wanted(name) for name in names]
    body[1]["listen"] = "127.0.0.1:99999"
    answer = api.post("/populate", body).expect(500)
    assert answer["status"] == 500
    assert answer["error"]
    assert answer["proxies"] == [api.get(path_of(names[0])).expect(200)]
    assert [api.get(path_of(name)).status for name in names] == [200, 404, 404]


def test_populate_that_fails_at_the_first_proxy_shows_an_empty_or_null_list(api: Api) -> None:
    name = unique()
    answer = api.post("/populate", [wanted(name, listen="127.0.0.1:99999")]).expect(500)
    assert answer["proxies"] is None
    assert api.get(path_of(name)).status == 404


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"name":5}]', '[{"enabled":"x"}]', "1"])
def test_populate_with_the_wrong_shape_is_a_400(api: Api, text: str) -> None:
    answer = api.request("POST", "/populate", text=text)
    assert answer.expect(400)["error"].startswith("bad request body: ")
    assert answer.json["proxies"] is None
    assert answer.content_type == "application/json"


def test_reset_removes_every_toxic_and_enables_every_proxy(api: Api, wire: Wire) -> None:
    first = api.create(upstream=wire.upstream)
    second = api.create(upstream=wire.upstream, enabled=False)
    for stream in ("upstream", "downstream"):
        first.add("latency", stream, latency=60_000)
        second.add("limit_data", stream, bytes=0)
    listen = first.show()["listen"]
    answer = api.post("/reset")
    assert (answer.status, answer.text, answer.content_type) == (204, "", None)
    assert first.show()["listen"] == listen
    for proxy in (first, second):
        shown = proxy.show()
        assert (shown["enabled"], shown["toxics"]) == (True, [])
        link = wire.link(proxy)
        link.client.send(b"ping")
        assert link.server.receive(4) == b"ping"
        link.server.send(b"pong")
        assert link.client.receive(4) == b"pong"


def test_reset_keeps_open_connections(api: Api, wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    proxy.add("latency", latency=60_000)
    link.server.send(b"held")
    assert api.post("/reset").status == 204
    assert link.client.receive(4) == b"held"


def test_reset_needs_no_body_and_ignores_one(api: Api) -> None:
    assert api.request("POST", "/reset", text="not JSON").status == 204


def test_reset_answers_with_the_error_of_a_proxy_that_it_could_not_enable(api: Api) -> None:
    api.create(upstream=UPSTREAM, listen="garbage", enabled=False)
    assert api.post("/reset").expect(500) == {
        "error": "listen tcp: address garbage: missing port in address",
        "status": 500,
    }

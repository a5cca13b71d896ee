"""Proxies over the HTTP API: made, shown, changed, removed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.api import LOOPBACK, Api, Proxy, path_of, unique
from tests.contract.wire import Wire, needs_ipv6

if TYPE_CHECKING:
    from tests.contract.api import Answer

JSON = "application/json"
UPSTREAM = "127.0.0.1:9"


def port_of(body: dict[str, Any]) -> int:
    return int(str(body["listen"]).rpartition(":")[2])


def body_of(name: str, **fields: object) -> dict[str, Any]:
    """What a proxy shows, in full."""
    shown: dict[str, Any] = {
        "name": name,
        "listen": LOOPBACK,
        "upstream": UPSTREAM,
        "enabled": True,
        "Logger": {},
        "toxics": [],
    }
    return {**shown, **fields}


def test_a_new_proxy_is_shown_in_full_with_the_port_that_it_got(api: Api) -> None:
    name = unique()
    answer = api.post("/proxies", {"name": name, "listen": LOOPBACK, "upstream": UPSTREAM})
    made = answer.expect(201)
    assert answer.content_type == JSON
    assert port_of(made) > 0
    assert made == body_of(name, listen=f"127.0.0.1:{port_of(made)}")
    shown = api.get(path_of(name))
    assert (shown.expect(200), shown.content_type) == (made, JSON)


def test_the_order_of_a_proxys_keys_is_toxiproxys(api: Api) -> None:
    shown = api.create(upstream=UPSTREAM).show()
    assert [key for key in shown if key != "Logger"] == [
        "name",
        "listen",
        "upstream",
        "enabled",
        "toxics",
    ]


def test_all_proxies_are_listed_by_name_with_their_toxics(api: Api) -> None:
    first, second = api.create(upstream=UPSTREAM), api.create(upstream=UPSTREAM, enabled=False)
    toxic = first.add("latency", latency=5)
    answer = api.get("/proxies")
    listed = answer.expect(200)
    assert answer.content_type == JSON
    assert {name: listed[name] for name in (first.name, second.name)} == {
        first.name: first.show(),
        second.name: second.show(),
    }
    assert listed[first.name]["toxics"] == [toxic.show()]


def test_a_disabled_proxy_keeps_the_address_that_was_asked_for(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM, enabled=False)
    assert proxy.show() == body_of(proxy.name, enabled=False)


def test_a_disabled_proxy_may_have_an_unusable_listen_address(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM, listen="garbage", enabled=False)
    assert proxy.show() == body_of(proxy.name, listen="garbage", enabled=False)
    proxy.update(listen=LOOPBACK)  # or a later reset of all proxies would fail at it


@pytest.mark.parametrize("listen", ["localhost:0", "127.0.0.1:0"])
def test_a_listen_name_is_shown_as_its_address(api: Api, listen: str) -> None:
    shown = api.create(upstream=UPSTREAM, listen=listen).show()
    assert shown == body_of(shown["name"], listen=f"127.0.0.1:{port_of(shown)}")


def test_a_proxy_listens_on_ipv6(api: Api) -> None:
    needs_ipv6()
    with Wire(socket.AF_INET6) as wire:
        proxy = api.create(upstream=wire.upstream, listen="[::1]:0")
        shown = proxy.show()
        assert shown == body_of(
            proxy.name, listen=f"[::1]:{port_of(shown)}", upstream=wire.upstream
        )
        link = wire.link(proxy)
        link.client.send(b"six")
        assert link.server.receive(3) == b"six"


@pytest.mark.parametrize("upstream", ["nowhere", "127.0.0.1", "127.0.0.1:99999", "::1:5", "x:y"])
def test_an_unusable_upstream_is_accepted_until_it_is_dialled(api: Api, upstream: str) -> None:
    assert api.create(upstream=upstream).show()["upstream"] == upstream


def test_keys_are_read_in_any_case(api: Api) -> None:
    name = unique()
    body = {"NAME": name, "Listen": LOOPBACK, "upStream": UPSTREAM, "ENABLED": False}
    assert api.post("/proxies", body).expect(201) == body_of(name, enabled=False)


def test_null_counts_as_absent(api: Api) -> None:
    name = unique()
    body = {"name": name, "listen": LOOPBACK, "upstream": UPSTREAM, "enabled": None}
    made = api.post("/proxies", body).expect(201)
    assert made == body_of(name, listen=made["listen"])
    for field, missing in (("name", "name"), ("upstream", "upstream")):
        answer = api.post("/proxies", {**body, "name": unique(), field: None})
        assert answer.expect(400) == {"error": f"missing required field: {missing}", "status": 400}


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x"}, "upstream"),
        ({"name": "x", "upstream": ""}, "upstream"),
        ({"upstream": UPSTREAM}, "name"),
    ],
)
def test_a_missing_field_is_named(api: Api, body: dict[str, str], missing: str) -> None:
    expected = {"error": f"missing required field: {missing}", "status": 400}
    assert api.post("/proxies", body).expect(400) == expected


def test_a_name_is_given_once(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM)
    again = {"name": proxy.name, "listen": LOOPBACK, "upstream": "127.0.0.1:10"}
    expected = {"error": "proxy already exists", "status": 409}
    before = proxy.show()
    assert api.post("/proxies", again).expect(409) == expected
    assert proxy.show() == before


@pytest.mark.parametrize(
    "name", ["with space", "<a&b>", "ünï-코드", "50%", "a?b#c", "..x", "\U0001f4a5", 'a"b\\c', "+"]
)
def test_a_name_may_hold_anything_that_a_path_can(api: Api, name: str) -> None:
    proxy = api.create(name=name, upstream=UPSTREAM)
    assert proxy.show()["name"] == name
    toxic = proxy.add("latency", name=name)
    assert toxic.show()["name"] == name
    toxic.remove()
    assert api.delete(proxy.path).status == 204


@pytest.mark.parametrize(
    "listen",
    [
        "127.0.0.1:99999",
        "127.0.0.1:nope",
        "127.0.0.1:-1",
        "127.0.0.1",
        "::1:0",
        "[::1",
        "203.0.113.1:0",
        "no-such-host.invalid:0",
    ],
)
def test_an_unusable_listen_address_is_a_500_and_leaves_nothing(api: Api, listen: str) -> None:
    name = unique()
    answer = api.post("/proxies", {"name": name, "listen": listen, "upstream": UPSTREAM})
    refused = answer.expect(500)
    assert set(refused) == {"error", "status"}
    assert refused["status"] == 500
    assert refused["error"]
    assert api.get(path_of(name)).status == 404


def test_a_taken_port_is_named_as_the_system_names_it(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        body = {"name": unique(), "listen": listen, "upstream": UPSTREAM}
        assert api.post("/proxies", body).expect(500) == {
            "error": f"listen tcp {listen}: bind: address already in use",
            "status": 500,
        }


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104  it must fail
def test_every_interface_is_meant_where_it_is_written(api: Api, host: str) -> None:
    """Shown without opening one: a port taken on any loopback address is in the way."""
    blocker = "127.0.0.2"
    with socket.socket() as taken:
        try:
            taken.bind((blocker, 0))
        except OSError:
            pytest.skip(f"{blocker} is no loopback address here")
        taken.listen()
        if host == "[::]":
            needs_ipv6()
        listen = f"{host}:{taken.getsockname()[1]}"
        body = {"name": unique(), "listen": listen, "upstream": UPSTREAM}
        assert "in use" in api.post("/proxies", body).expect(500)["error"]


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_update_changes_what_it_names(api: Api, method: str) -> None:
    proxy = api.create(upstream=UPSTREAM)
    proxy.add("latency", latency=5)
    before = proxy.show()
    answer = api.request(method, proxy.path, {"upstream": "127.0.0.1:10"})
    assert answer.expect(200) == {**before, "upstream": "127.0.0.1:10"}
    assert answer.content_type == JSON
    assert proxy.show() == answer.json


@pytest.mark.parametrize("text", ["{}", "null", '{"listen":null,"upstream":null,"enabled":null}'])
def test_an_update_of_nothing_changes_nothing(api: Api, text: str) -> None:
    proxy = api.create(upstream=UPSTREAM)
    before = proxy.show()
    assert api.request("PATCH", proxy.path, text=text).expect(200) == before
    assert proxy.show() == before


def test_an_update_cannot_rename(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM)
    assert proxy.update(name="other")["name"] == proxy.name
    assert api.get("/proxies/other").status == 404


@pytest.mark.parametrize("upstream", ["nowhere", ""])
def test_an_update_may_name_an_unusable_upstream(api: Api, upstream: str) -> None:
    proxy = api.create(upstream=UPSTREAM)
    assert proxy.update(upstream=upstream)["upstream"] == upstream


def test_a_proxy_is_disabled_and_enabled_again_at_the_same_port(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM)
    before = proxy.show()
    assert proxy.update(enabled=False) == {**before, "enabled": False}
    assert proxy.update(enabled=False) == {**before, "enabled": False}
    assert proxy.update(enabled=True) == before
    assert proxy.update(enabled=True) == before


def test_a_proxy_moves_to_another_address(wire: Wire, proxy: Proxy) -> None:
    old = proxy.address
    link = wire.link(proxy)
    with socket.create_server(("127.0.0.1", 0)) as finder:
        port = finder.getsockname()[1]
    moved = proxy.update(listen=f"127.0.0.1:{port}")
    assert moved["listen"] == f"127.0.0.1:{port}"
    assert moved["enabled"]
    assert link.client.rest()[0] == b""
    with socket.socket() as client:
        assert client.connect_ex(old) != 0
    link = wire.link(proxy)
    link.server.send(b"here")
    assert link.client.receive(4) == b"here"


def test_a_proxy_moves_to_another_upstream(wire: Wire, proxy: Proxy) -> None:
    before = proxy.show()
    link = wire.link(proxy)
    with Wire() as other:
        assert proxy.update(upstream=other.upstream) == {**before, "upstream": other.upstream}
        assert link.client.rest()[0] == b""
        link = other.link(proxy)
        link.client.send(b"new")
        assert link.server.receive(3) == b"new"


def test_a_disabled_proxy_moves_without_listening(api: Api) -> None:
    proxy = api.create(upstream=UPSTREAM, enabled=False)
    moved = proxy.update(listen="127.0.0.1:0", upstream="127.0.0.1:10")
    assert moved == body_of(proxy.name, upstream="127.0.0.1:10", enabled=False)
    enabled = proxy.update(enabled=True)
    assert port_of(enabled) > 0
    assert enabled["enabled"]


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "garbage", "203.0.113.1:0"])
def test_an_update_to_an_unusable_address_is_a_500(api: Api, listen: str) -> None:
    refused = api.patch(api.create(upstream=UPSTREAM).path, {"listen": listen}).expect(500)
    assert set(refused) == {"error", "status"}
    assert refused["status"] == 500


def test_a_removed_proxy_frees_its_port(api: Api, wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    address = proxy.address
    answer: Answer = api.delete(proxy.path)
    assert (answer.status, answer.text, answer.content_type) == (204, "", None)
    assert link.client.rest()[0] == b""
    assert link.server.rest()[0] == b""
    with socket.create_server(address):
        pass
    gone = {"error": "proxy not found", "status": 404}
    assert api.get(proxy.path).expect(404) == gone
    assert api.delete(proxy.path).expect(404) == gone


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/toxics"),
        ("POST", "/toxics"),
        ("GET", "/toxics/x"),
        ("POST", "/toxics/x"),
        ("PATCH", "/toxics/x"),
        ("DELETE", "/toxics/x"),
    ],
)
def test_an_unknown_proxy_is_a_404_for_every_request(api: Api, method: str, path: str) -> None:
    answer = api.request(method, f"{path_of(unique())}{path}", text="not JSON")
    assert answer.expect(404) == {"error": "proxy not found", "status": 404}
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.endswith("\n")

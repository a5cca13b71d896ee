"""What requests see differently, on purpose; each test shows both behaviours."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from toxiproxy_server import running

from tests.contract.api import LOOPBACK, Api, counted_bytes, path_of, unique
from tests.contract.wire import ATTEMPTS, Wire, until

if TYPE_CHECKING:
    from pathlib import Path

    from toxiproxy_server import Kind

    from tests.contract.api import Proxy

UPSTREAM = "127.0.0.1:9"
LATENCY = {"type": "latency", "attributes": {"latency": 5}}
LATENCY_SHOWN = {
    "attributes": {"latency": 5, "jitter": 0},
    "name": "latency_downstream",
    "type": "latency",
    "stream": "downstream",
    "toxicity": 1,
}


def wanted(name: str, **fields: object) -> dict[str, Any]:
    return {"name": name, "listen": LOOPBACK, "upstream": UPSTREAM, **fields}


@pytest.mark.parametrize(
    "named",
    [
        "latency.latency",
        "latency.jitter",
        "bandwidth.rate",
        "slow_close.delay",
        "timeout.timeout",
        "reset_peer.timeout",
    ],
)
@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("1e3", 1000)])
def test_crashloop_accepts_a_fraction(
    kind: Kind, proxy: Proxy, named: str, text: str, value: float
) -> None:
    kind_of_toxic, attribute = named.split(".")
    body = f'{{"type":"{kind_of_toxic}","attributes":{{"{attribute}":{text}}}}}'
    answer = proxy.api.request("POST", f"{proxy.path}/toxics", text=body)
    if kind == "toxiproxy":
        assert f"cannot unmarshal number {text}" in answer.expect(400)["error"]
    else:
        assert answer.expect(200)["attributes"][attribute] == value


MEANINGLESS: list[tuple[str, dict[str, Any]]] = [
    ("latency", {"type": "latency", "attributes": {"latency": -5}}),
    ("jitter", {"type": "latency", "attributes": {"jitter": -5}}),
    ("rate", {"type": "bandwidth", "attributes": {"rate": -1}}),
    ("delay", {"type": "slow_close", "attributes": {"delay": -1}}),
    ("timeout", {"type": "timeout", "attributes": {"timeout": -1}}),
    ("timeout", {"type": "reset_peer", "attributes": {"timeout": -1}}),
    ("bytes", {"type": "limit_data", "attributes": {"bytes": -1}}),
    ("average_size", {"type": "slicer"}),
    ("average_size", {"type": "slicer", "attributes": {"average_size": -1}}),
    ("variation", {"type": "slicer", "attributes": {"average_size": 5, "size_variation": 6}}),
    ("toxicity", {"type": "latency", "toxicity": 1.5}),
    ("toxicity", {"type": "latency", "toxicity": -1}),
]


@pytest.mark.parametrize(("attribute", "body"), MEANINGLESS)
def test_crashloop_refuses_a_value_without_a_meaning(
    kind: Kind, proxy: Proxy, attribute: str, body: dict[str, Any]
) -> None:
    answer = proxy.api.post(f"{proxy.path}/toxics", body)
    if kind == "toxiproxy":
        answer.expect(200)
    else:
        assert attribute in answer.expect(400)["error"]
        assert proxy.show()["toxics"] == []


@pytest.mark.parametrize("body", [{"toxicity": 2}, {"attributes": {"latency": -1}}])
def test_crashloop_refuses_an_update_without_a_meaning(
    kind: Kind, proxy: Proxy, body: dict[str, Any]
) -> None:
    toxic = proxy.add("latency", latency=5)
    answer = proxy.api.patch(toxic.path, body)
    assert answer.status == {"toxiproxy": 200, "built-in": 400}[kind]
    assert (toxic.show() == LATENCY_SHOWN) == (kind == "built-in")


def test_crashloop_keeps_a_toxic_after_an_update_that_failed(kind: Kind, proxy: Proxy) -> None:
    toxic = proxy.add("latency", latency=5)
    proxy.api.patch(toxic.path, {"attributes": {"jitter": 9, "latency": "x"}}).expect(400)
    left = {"toxiproxy": 9, "built-in": 0}[kind]
    assert toxic.show()["attributes"] == {"latency": 5, "jitter": left}


def test_crashloop_makes_toxics_with_their_proxy(kind: Kind, api: Api) -> None:
    shown = {"toxiproxy": [], "built-in": [LATENCY_SHOWN]}[kind]
    first, second = unique(), unique()
    made = api.post("/proxies", wanted(first, toxics=[LATENCY])).expect(201)
    assert made["toxics"] == shown
    made = api.post("/populate", [wanted(second, toxics=[LATENCY])]).expect(201)
    assert made["proxies"][0]["toxics"] == shown
    assert api.proxy(first).show()["toxics"] == api.proxy(second).show()["toxics"] == shown


def test_crashloop_refuses_bad_toxics_given_with_their_proxy(kind: Kind, api: Api) -> None:
    name = unique()
    answer = api.post("/proxies", wanted(name, toxics=[LATENCY, {"type": "nonsense"}]))
    assert answer.status == {"toxiproxy": 201, "built-in": 400}[kind]
    assert api.get(path_of(name)).status == {"toxiproxy": 200, "built-in": 404}[kind]


def test_crashloop_reads_toxics_in_the_configuration_file(kind: Kind, tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([wanted("configured", toxics=[LATENCY])]))
    option = {"toxiproxy": "-config", "built-in": "--config"}[kind]
    with running(kind, tmp_path, option, str(config)) as server, Api(server.url) as api:
        shown = api.proxy("configured").show()["toxics"]
    assert shown == {"toxiproxy": [], "built-in": [LATENCY_SHOWN]}[kind]


def test_crashloop_shows_what_exists_after_a_double_populate(kind: Kind, api: Api) -> None:
    name = unique()
    body = [wanted(name), wanted(name, upstream="127.0.0.1:10")]
    first, second = api.post("/populate", body).expect(201)["proxies"]
    assert second == api.proxy(name).show()
    assert second["upstream"] == "127.0.0.1:10"
    assert (first["enabled"], first == second) == {
        "toxiproxy": (False, False),
        "built-in": (True, True),
    }[kind]


def test_crashloop_keeps_a_proxy_populated_at_any_port(kind: Kind, api: Api, wire: Wire) -> None:
    body = [wanted(unique(), upstream=wire.upstream)]
    (first,) = api.post("/populate", body).expect(201)["proxies"]
    link = wire.link(api.proxy(first["name"]))
    (again,) = api.post("/populate", body).expect(201)["proxies"]
    if kind == "toxiproxy":
        assert again["listen"] != first["listen"]
        assert link.client.rest()[0] == b""
    else:
        assert again == first
        link.client.send(b"still here")
        assert link.server.receive(10) == b"still here"


def test_crashloop_warns_of_what_is_unknown(kind: Kind, api: Api, proxy: Proxy) -> None:
    typo = {"type": "latency", "attributes": {"latecy": 100}}
    made = api.post(f"{proxy.path}/toxics", typo).expect(200)
    assert made["attributes"] == {"latency": 0, "jitter": 0}
    toxic = f"{proxy.path}/toxics/latency_downstream"
    answers = [
        (made, ["'latecy'", "jitter"]),
        (api.patch(toxic, {"toxicty": 0.5}).expect(200), ["'toxicty'", "toxicity"]),
        (api.patch(proxy.path, {"upstream": "http://db:80"}).expect(200), ["URL", "http://db:80"]),
        (api.post("/populate", [wanted(unique(), upstream="a")]).expect(201), ["'a'", "port"]),
    ]
    for answer, words in answers:
        told = " ".join(answer.get("warnings", []))
        assert [word in told for word in words] == [kind == "built-in"] * len(words)
    assert "warnings" not in api.get(toxic).expect(200)


@pytest.mark.parametrize("named", ["down", "Latency", ""])
def test_crashloop_lists_the_known_types(kind: Kind, proxy: Proxy, named: str) -> None:
    answer = proxy.api.post(f"{proxy.path}/toxics", {"type": named})
    told = answer.expect(400)["error"]
    assert told.startswith("invalid toxic type")
    if kind == "toxiproxy":
        assert told == "invalid toxic type"
    else:
        assert repr(named) in told
        for one in ("latency", "limit_data", "hold", "connect_delay"):
            assert one in told


def test_crashloop_resets_all_that_it_can(kind: Kind, api: Api) -> None:
    """Toxiproxy may come to the bad one last: one time in five."""
    api.create(upstream=UPSTREAM, listen="garbage", enabled=False)
    good = [api.create(upstream=UPSTREAM) for _ in range(4)]

    def some_toxic_is_left() -> bool:
        for proxy in good:
            if not proxy.show()["toxics"]:
                proxy.add("latency")
        api.post("/reset").expect(500)
        return any(proxy.show()["toxics"] for proxy in good)

    left = any(some_toxic_is_left() for _ in range(3 * ATTEMPTS))
    assert left == {"toxiproxy": True, "built-in": False}[kind]


def test_crashloop_finds_a_name_with_a_slash(kind: Kind, api: Api, proxy: Proxy) -> None:
    found = {"toxiproxy": 404, "built-in": 200}[kind]
    other = api.create(name=f"{unique()}/x", upstream=UPSTREAM, enabled=False)
    assert api.get(other.path).status == found
    toxic = proxy.add("latency", name="a/b")
    assert api.get(toxic.path).status == found
    assert [shown["name"] for shown in proxy.show()["toxics"]] == ["a/b"]


@pytest.mark.parametrize("length", [2000, 2001])
def test_crashloop_bounds_the_length_of_a_name(kind: Kind, api: Api, length: int) -> None:
    answer = api.post("/proxies", wanted(unique().ljust(length, "x"), enabled=False))
    assert answer.status == {"toxiproxy": 201, "built-in": 201 if length == 2000 else 400}[kind]


def test_crashloop_bounds_the_size_of_a_request(kind: Kind, api: Api) -> None:
    name = unique()
    answer = api.post("/proxies", wanted(name, padding="x" * (2 << 20)))
    assert answer.status == {"toxiproxy": 201, "built-in": 413}[kind]
    assert api.get(path_of(name)).status == {"toxiproxy": 200, "built-in": 404}[kind]
    assert api.post("/proxies", wanted(unique(), padding="x" * 1_000_000)).status == 201


def test_crashloop_counts_bytes_at_once(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.client.send(b"u" * 123)
    assert link.server.receive(123)
    link.server.send(b"d" * 45)
    assert link.client.receive(45)
    for counter in ("received", "sent"):
        for direction, size in (("upstream", 123), ("downstream", 45)):
            shown = counted_bytes(proxy, counter, direction)
            assert shown == {"toxiproxy": None, "built-in": size}[kind]


def test_crashloop_removes_counters_with_their_proxy(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.client.send(b"u" * 123)
    assert link.server.receive(123)
    link.client.close()
    assert link.server.ending() == "end"
    link.server.close()
    counted = partial(counted_bytes, proxy, "received", "upstream")
    until(lambda: counted() == 123, "123 bytes in /metrics")
    proxy.api.delete(proxy.path).expect(204)
    is_there = f'proxy="{proxy.name}"' in proxy.api.get("/metrics").text
    assert is_there == {"toxiproxy": True, "built-in": False}[kind]


def test_crashloop_names_methods_and_the_newest_event(kind: Kind, api: Api) -> None:
    refused = api.request("PUT", "/proxies")
    allowed = {"toxiproxy": None, "built-in": "GET, POST"}[kind]
    assert refused.headers.get("allow") == allowed
    for answer in (refused, api.get("/proxies"), api.get("/nope"), api.get("/proxies/x")):
        assert ("x-crashloop-seq" in answer.headers) == (kind == "built-in")


@pytest.mark.parametrize("page", ["/events?until=now", "/proxies/NAME/links"])
def test_crashloop_has_pages_of_its_own(kind: Kind, proxy: Proxy, page: str) -> None:
    answer = proxy.api.get(page.replace("NAME", proxy.name))
    assert answer.status == {"toxiproxy": 404, "built-in": 200}[kind]


def test_crashloop_takes_processes_to_watch(kind: Kind, api: Api) -> None:
    answer = api.post("/watch", {"pids": []})
    assert answer.status == {"toxiproxy": 404, "built-in": 200}[kind]


def test_crashloop_refuses_an_unclean_path_and_two_values(kind: Kind, api: Api) -> None:
    assert api.get("/proxies//x").status == {"toxiproxy": 301, "built-in": 404}[kind]
    answer = api.request("POST", "/populate", text="[] and more")
    assert answer.status == {"toxiproxy": 201, "built-in": 400}[kind]

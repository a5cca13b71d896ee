"""What every endpoint has in common: routes, methods, bodies, headers, errors, metrics."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.contract.api import LOOPBACK, counted_bytes, path_of, unique
from tests.contract.wire import until

if TYPE_CHECKING:
    from tests.contract.api import Api, Proxy
    from tests.contract.wire import Wire

TEXT = "text/plain; charset=utf-8"
UPSTREAM = "127.0.0.1:9"


def test_the_version_is_that_of_toxiproxy(api: Api) -> None:
    answer = api.get("/version")
    assert (answer.status, answer.content_type) == (200, "application/json;charset=utf-8")
    assert answer.text == '{"version": "2.12.0"}\n'


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/proxies/",
        "/version/",
        "/proxies/x/",
        "/proxies/x/y",
        "/proxies/x/toxics/y/z",
    ],
)
def test_an_unknown_page_is_a_404_in_plain_text(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.content_type) == (404, TEXT)
    assert answer.text == "404 page not found\n"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/proxies"),
        ("DELETE", "/proxies"),
        ("OPTIONS", "/proxies"),
        ("HEAD", "/version"),
        ("POST", "/version"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("PUT", "/proxies/x"),
        ("PUT", "/proxies/x/toxics"),
        ("DELETE", "/proxies/x/toxics"),
        ("PUT", "/proxies/x/toxics/y"),
    ],
)
def test_an_unknown_method_is_a_405_without_a_body(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path)
    assert (answer.status, answer.text) == (405, "")


def test_every_answer_has_an_id_of_its_own(api: Api) -> None:
    answers = [api.get("/version"), api.get("/proxies"), api.get("/proxies/unknown")]
    ids = {answer.headers["x-toxiproxy-request-id"] for answer in answers}
    assert len(ids) == len(answers)


def test_a_query_is_ignored(api: Api) -> None:
    assert api.get("/version?x=1").status == 200


@pytest.mark.parametrize("path", ["/version", "/proxies", "/metrics", "/proxies/x"])
def test_a_browser_is_answered_403(api: Api, path: str) -> None:
    answer = api.request("GET", path, headers={"User-Agent": "Mozilla/5.0 (X11; Linux)"})
    assert (answer.status, answer.text) == (403, "User agent not allowed\n")
    assert answer.content_type == TEXT


@pytest.mark.parametrize("agent", ["mozilla/5.0", "X Mozilla/5.0", "Mozilla", ""])
def test_only_an_agent_that_begins_like_a_browser_is_one(api: Api, agent: str) -> None:
    assert api.request("GET", "/version", headers={"User-Agent": agent}).status == 200


def test_a_browser_changes_nothing(api: Api) -> None:
    name = unique()
    body = {"name": name, "listen": LOOPBACK, "upstream": UPSTREAM}
    agent = {"User-Agent": "Mozilla/5.0"}
    assert api.request("POST", "/proxies", body, headers=agent).status == 403
    assert api.get(path_of(name)).status == 404


@pytest.mark.parametrize(
    "text", ["", "{", "{'name':1}", '{"name":"x",}', '{"name":"a\nb"}', "[", "x", "NaN", "01"]
)
def test_a_body_that_is_not_json_is_a_400(api: Api, text: str) -> None:
    answer = api.request("POST", "/proxies", text=text.encode())
    assert answer.expect(400)["error"].startswith("bad request body: ")
    assert answer.json["status"] == 400


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "true", '{"name":1}', '{"enabled":"yes"}'])
def test_a_body_of_the_wrong_shape_is_a_400(api: Api, proxy: Proxy, text: str) -> None:
    before = proxy.show()
    for method, path in (("POST", "/proxies"), ("PATCH", proxy.path)):
        answer = api.request(method, path, text=text)
        assert answer.expect(400)["error"].startswith("bad request body: ")
        assert answer.json["status"] == 400
    assert proxy.show() == before


def test_the_content_type_of_a_request_does_not_matter(api: Api) -> None:
    text = f'{{"name":"{unique()}","listen":"{LOOPBACK}","upstream":"{UPSTREAM}"}}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.request("POST", "/proxies", text=text, headers=headers).status == 201


def test_a_body_may_be_chunked(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    body = f'{{"name":"{unique()}","listen":"{LOOPBACK}","upstream":"{UPSTREAM}"}}'.encode()
    head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:])]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert answer.read().startswith(b"HTTP/1.1 201 Created\r\n")


def test_a_connection_serves_many_requests(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    request = b"GET /version HTTP/1.1\r\nHost: x\r\n"
    last = request + b"Connection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall((request + b"\r\n") * 2 + last)
        with connection.makefile("rb") as answer:
            assert answer.read().count(b"HTTP/1.1 200 OK\r\n") == 3


def shows(proxy: Proxy, name: str, direction: str, size: int) -> bool:
    return counted_bytes(proxy, name, direction) == size


def test_metrics_count_the_bytes_of_both_directions(wire: Wire, proxy: Proxy) -> None:
    for _ in range(2):
        link = wire.link(proxy)
        link.client.send(b"u" * 1000)
        assert link.server.receive(1000)
        link.server.send(b"d" * 300)
        assert link.client.receive(300)
        link.client.close()
        assert link.server.ending() == "end"
        link.server.close()
    for name in ("received", "sent"):
        for direction, size in (("upstream", 2000), ("downstream", 600)):
            until(
                partial(shows, proxy, name, direction, size),
                f"{size} bytes {name} {direction} in /metrics",
            )


def test_metrics_have_prometheus_text_format(api: Api) -> None:
    answer = api.get("/metrics")
    assert answer.status == 200
    assert answer.content_type is not None
    assert answer.content_type.startswith("text/plain; version=0.0.4; charset=utf-8")

"""The proxy's API under attack: malformed requests."""

from __future__ import annotations

import random
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from proxy_vitals import answers_at_once, eventually, vitals
from toxiproxy_server import running_built_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toxiproxy_server import ProxyServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the process in /proc")

ANSWER_S = 5
GROWTH_BYTES = 30 * 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyServer]:
    with running_built_in(tmp_path_factory.mktemp("proxy")) as server:
        yield server
        assert "proxy.error" not in _events(server)


def _events(server: ProxyServer) -> str:
    return httpx.get(
        f"{server.url}/events", params={"until": "now"}, timeout=ANSWER_S, trust_env=False
    ).text


def _port(server: ProxyServer) -> int:
    return int(server.url.rpartition(":")[2])


def _malformed(rng: random.Random) -> Iterator[bytes]:
    head = b"POST /proxies HTTP/1.1\r\nHost: x\r\n"
    yield rng.randbytes(4000)
    yield b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 200_000 + b"\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n"
    yield head + b"Content-Length: -5\r\n\r\n"
    yield head + b"Content-Length: 99999999999999999999\r\n\r\n{}"
    yield head + b"Content-Length: 2097152\r\n\r\n" + b" " * 2_097_152
    yield head + b"Content-Length: 100\r\n\r\n{"
    yield head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield head + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{}"
    yield head + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    nested = b"[" * 200_000
    yield head + b"Content-Length: %d\r\n\r\n" % len(nested) + nested
    yield b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500)
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"GET /events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    yield b"\r\n" * 10_000
    yield b"G"


def _throw(port: int, data: bytes, *, read: bool) -> bytes:
    """Send the data and close, perhaps after reading the answer."""
    seen = b""
    with socket.create_connection(("127.0.0.1", port), ANSWER_S) as client, suppress(OSError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.05 if data == b"G" or b"/events" in data else ANSWER_S)
        while read and (more := client.recv(65536)):
            seen += more
    return seen


def test_malformed_requests_are_answered_or_dropped_and_leave_nothing_behind(
    server: ProxyServer,
) -> None:
    rng = random.Random(20261124)  # noqa: S311  a test's seed
    for data in _malformed(rng):  # warms up what is allocated once
        _throw(_port(server), data, read=True)
    eventually(lambda: vitals(server.pid).descriptors < 40, "connections are closed")
    before = vitals(server.pid)

    for _ in range(10):
        for data in _malformed(rng):
            cut = rng.randrange(len(data)) if rng.random() < 0.3 else len(data)
            answer = _throw(_port(server), data[:cut], read=rng.random() < 0.8)
            assert b"HTTP/1.1 50" not in answer, (data[:80], answer[:200])
        answers_at_once(server.url)

    eventually(
        lambda: vitals(server.pid).descriptors <= before.descriptors, "connections are closed"
    )
    assert vitals(server.pid).memory_bytes < before.memory_bytes + GROWTH_BYTES


def test_clients_that_only_connect_do_not_block_others(server: ProxyServer) -> None:
    before = vitals(server.pid)
    for _ in range(20):
        silent = [socket.create_connection(("127.0.0.1", _port(server))) for _ in range(100)]
        for client in silent:
            client.close()
    answers_at_once(server.url)
    eventually(
        lambda: vitals(server.pid).descriptors <= before.descriptors + 1, "connections are closed"
    )

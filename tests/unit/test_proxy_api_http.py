"""The API over real sockets: many requests, slow clients, and what is not HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from crashloop.proxy.api.collection import Collection
from crashloop.proxy.api.connection import MAX_BODY_BYTES, Limits
from crashloop.proxy.api.journal import Journal
from crashloop.proxy.api.routes import MAX_EVENT_READERS, Routes
from crashloop.proxy.api.server import ApiServer
from crashloop.proxy.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from crashloop.proxy.address import Address
    from crashloop.proxy.events import Emit

DEADLINE_S = 5
SHORT = Limits(request_s=0.05, answer_s=0.2, linger_s=0.2)


class Api:
    """A server of this test's own, and how to ask it."""

    def __init__(self, *, limits: Limits | None = None, max_connections: int = 256) -> None:
        self.reports: list[str] = []
        self.journal = Journal()
        self.collection = Collection(warn=lambda *_: None, make=plane, journal=self.journal)
        self.routes = Routes(
            collection=self.collection, journal=self.journal, report=self.reports.append
        )
        self.server = ApiServer(self.routes, limits=limits, max_connections=max_connections)
        self.port = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the API."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, data: bytes) -> bytes:
        """Send, and read all until the end."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = b""
        with suppress(ConnectionResetError):
            answer = await reader.read()
        writer.close()
        return answer

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one answer."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(text)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        answer = await self.raw(head.encode() + (text if body is not None else b""))
        return answered(answer)


def answered(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    return int(first.split()[1]), {key.lower(): value for key, value in headers.items()}, body


def plane(*, name: str, listen: Address, upstream: Address, emit: Emit) -> FaultProxy:
    """The real data plane."""
    return FaultProxy(name=name, listen=listen, upstream=upstream, emit=emit)


@asynccontextmanager
async def serving(
    *, limits: Limits | None = None, max_connections: int = 256
) -> AsyncIterator[Api]:
    """An API that serves meanwhile."""
    api = Api(limits=limits, max_connections=max_connections)
    async with asyncio.timeout(DEADLINE_S):
        api.port = (await api.server.start("127.0.0.1:0")).port
        try:
            yield api
        finally:
            await api.collection.close()
            api.journal.close()
            await api.server.stop()
    assert api.server._open == {}
    assert api.reports == []


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop to others until the condition holds; the test's deadline ends it."""
    while not condition():  # noqa: ASYNC110  the server announces no connection
        await asyncio.sleep(0.001)


DB = {"name": "db", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}


async def test_one_connection_serves_pipelined_requests_in_order() -> None:
    async with serving() as api:
        reader, writer = await api.connect()
        body = json.dumps(DB).encode()
        create = b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        show = b"GET /proxies/db HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write((create + body + show) * 3 + b"GET /version HTTP/1.0\r\n\r\n")
        answers = await reader.read()
        statuses = [int(found) for found in re.findall(rb"HTTP/1.1 ([0-9]+)", answers)]
        assert statuses == [201, 200, 409, 200, 409, 200, 200]
        writer.close()


async def test_a_request_may_arrive_byte_by_byte_and_in_chunks() -> None:
    async with serving() as api:
        reader, writer = await api.connect()
        chunked = b"POST /populate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        for byte in chunked + b"Connection: close\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert b'{"proxies":null}' in await reader.read()
        writer.close()


async def test_a_client_that_expects_100_continue_gets_it() -> None:
    async with serving() as api:
        reader, writer = await api.connect()
        writer.write(
            b"POST /populate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\nContent-Length: 2\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"[]")
        assert (await reader.read()).startswith(b"HTTP/1.1 201")
        writer.close()


async def test_a_head_request_gets_no_body() -> None:
    async with serving() as api:
        status, headers, body = await api.ask("HEAD", "/metrics")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 100


async def test_a_body_that_is_too_large_is_answered_413() -> None:
    async with serving() as api:
        status, _, body = await api.ask("POST", "/proxies", b" " * (MAX_BODY_BYTES + 1))
        assert (status, json.loads(body)["status"]) == (413, 413)
        size = b"%x\r\n" % (MAX_BODY_BYTES + 1)
        head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await api.raw(head + size + b" " * (MAX_BODY_BYTES + 1) + b"\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413")
        status, _, _ = await api.ask("POST", "/proxies", b" " * MAX_BODY_BYTES)
        assert status == 400


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"junk\r\n\r\n", 400),
        (b"GET /version HTTP/1.1\r\n\r\n", 400),
        (b"GET /version HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000, 431),
        (b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 20 + b"\r\n\r\n", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
async def test_what_is_not_http_is_answered_with_an_error(data: bytes, status: int) -> None:
    async with serving() as api:
        assert answered(await api.raw(data))[0] == status


async def test_a_client_that_never_completes_its_request_is_disconnected() -> None:
    async with serving(limits=SHORT) as api:
        assert await api.raw(b"") == b""
        assert (await api.raw(b"GET /version HT")).startswith(b"HTTP/1.1 408")
        head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        answer = await api.raw(head + b'{"name"')
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"the request did not arrive within 0.05 s" in answer


async def test_a_client_that_never_reads_its_answer_is_disconnected() -> None:
    async with serving(limits=SHORT) as api:
        for number in range(300):
            name = f"{number}-{'x' * 1900}"
            disabled = {**DB, "name": name, "enabled": False}
            await api.collection.create(json.dumps(disabled).encode())
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", api.port))
            request = b"GET /proxies HTTP/1.1\r\nHost: x\r\n\r\n" * 20
            await asyncio.get_running_loop().sock_sendall(client, request)
            await until(lambda: len(api.server._open) == 1)
            await until(lambda: not api.server._open)


async def test_clients_beyond_the_limit_are_answered_503() -> None:
    async with serving(max_connections=2) as api:
        first = await api.connect()
        second = await api.connect()
        await until(lambda: len(api.server._open) == 2)
        status, _, body = answered(await api.raw(b""))
        assert (status, json.loads(body)["error"]) == (503, "too many connections to the API")
        for _, writer in (first, second):
            writer.close()
        await until(lambda: not api.server._open)
        assert (await api.ask("GET", "/version"))[0] == 200


async def test_events_are_streamed_as_they_happen_until_their_reader_disconnects() -> None:
    async with serving() as api:
        reader, writer = await api.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        _, headers, _ = await api.ask("POST", "/proxies", DB)
        assert headers["x-crashloop-seq"] == "1"
        event = json.loads((await reader.readuntil(b"}}\n")).partition(b"\r\n")[2])
        assert (event["seq"], event["kind"], event["proxy"]) == (1, "proxy.created", "db")
        assert api.routes._readers == 1
        writer.close()
        await until(lambda: api.routes._readers == 0)
        assert api.journal._waiting == []


async def test_events_end_at_the_newest_when_asked_to() -> None:
    async with serving() as api:
        for _ in range(3):
            api.journal.emit("x", "", {"text": "<\u2028\x1b"})
        _, headers, body = await api.ask("GET", "/events?since=1&until=now")
        assert headers["content-type"] == "application/x-ndjson"
        lines = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
        events = [json.loads(one) for line in lines for one in line.splitlines()]
        assert [event["seq"] for event in events] == [2, 3]
        assert (await api.ask("GET", "/events?since=3&until=now"))[0] == 200
        for wrong in ("since=4", "since=-1", "since=x", "until=never"):
            assert (await api.ask("GET", f"/events?{wrong}"))[0] == 400


async def test_a_reader_of_events_that_does_not_read_takes_bounded_memory() -> None:
    async with serving() as api:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", api.port))
            await loop.sock_sendall(client, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: api.routes._readers == 1)
            api.journal._max_events = 100
            for _ in range(200):
                for _ in range(200):
                    api.journal.emit("x", "", {"text": "y" * 500})
                await asyncio.sleep(0)
            (connection,) = api.server._open.values()
            assert connection._writer.transport.get_write_buffer_size() < 1_000_000
            told = b""
            while b"events.missed" not in told:
                told = told[-20:] + await loop.sock_recv(client, 65536)


async def test_readers_of_events_are_limited() -> None:
    async with serving() as api:
        api.routes._readers = MAX_EVENT_READERS
        status, _, body = await api.ask("GET", "/events")
        assert (status, b"readers" in body) == (503, True)


async def test_metrics_are_live_and_their_labels_are_escaped() -> None:
    async with serving() as api:
        upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with upstream:
            port = upstream.sockets[0].getsockname()[1]
            proxy = {"name": 'a"b\\c\nd', "upstream": f"127.0.0.1:{port}"}
            _, _, body = await api.ask("POST", "/proxies", proxy)
            listen = json.loads(body)["listen"]
            reader, writer = await asyncio.open_connection(*listen.split(":"))
            writer.write(b"hello")
            await reader.readexactly(5)
            _, _, page = await api.ask("GET", "/metrics")
            labels = f'listener="{listen}",proxy="a\\"b\\\\c\\nd",upstream="127.0.0.1:{port}"'
            for direction in ("upstream", "downstream"):
                for name in ("received", "sent"):
                    line = f'{name}_bytes_total{{direction="{direction}",{labels}}} 5\n'
                    assert f"toxiproxy_proxy_{line}" in page.decode()
            assert 'crashloop_proxy_open_links{proxy="a\\"b\\\\c\\nd"} 1\n' in page.decode()
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    with suppress(ConnectionError):
        while data := await reader.read(1000):
            writer.write(data)
    writer.close()


async def test_a_bug_is_answered_500_and_reported() -> None:
    async with serving() as api:

        def broken() -> dict[str, object]:
            raise ZeroDivisionError("x\ny")

        api.collection.documents = broken  # type: ignore[method-assign]
        status, _, body = await api.ask("GET", "/proxies")
        assert (status, json.loads(body)["status"]) == (500, 500)
        assert "ZeroDivisionError" in api.reports.pop()


async def test_stopping_finishes_the_answers_in_progress() -> None:
    async with serving() as api:
        reader, writer = await api.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        idle, idle_writer = await api.connect()
        await until(lambda: len(api.server._open) == 2)
        api.journal.emit("last", "", {})
        api.journal.close()
        await api.server.stop()
        assert b'"last"' in await reader.read()
        assert await idle.read() == b""
        for one in (writer, idle_writer):
            one.close()

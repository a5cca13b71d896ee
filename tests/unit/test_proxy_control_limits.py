from __future__ import annotations

import gzip
import itertools
import socket
import time
from typing import TYPE_CHECKING

import pytest
from canned_server import CannedServer, answering

from crashloop.errors import HarnessError, UsageError
from crashloop.proxy.control import Control, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from canned_server import Exchange

SOON_S = 5.0
SHORT = Limits(connect_s=0.2, silence_s=0.2, total_s=0.4)


def _trickle(exchange: Exchange, endless: bytes) -> None:
    for _ in itertools.takewhile(lambda _: not exchange.server.over.is_set(), itertools.count()):
        exchange.send(endless)
        exchange.server.over.wait(0.02)


def _trickle_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _trickle(exchange, b"x")


def _trickle_a_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    _trickle(exchange, b" ")


def _trickle_chunks(exchange: Exchange) -> None:
    exchange.begin_chunked()
    _trickle(exchange, b"1\r\n \r\n")


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(HarnessError) as raised:
        Control(f"127.0.0.1:{port}").version()
    told = str(raised.value)
    for part in (f"http://127.0.0.1:{port}", "GET /version", "refused", "Is it running"):
        assert part in told


def test_a_connection_that_nobody_takes_ends_at_its_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            began_s = time.monotonic()
            with pytest.raises(HarnessError, match=r"took no connection for 0\.2 s"):
                Control(f"127.0.0.1:{address[1]}", limits=SHORT).version()
            assert time.monotonic() - began_s < SOON_S
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_silent_server_is_given_up(head: bytes) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(head)
        exchange.wait()

    limits = Limits(silence_s=0.1)
    with (
        CannedServer(script) as server,
        pytest.raises(HarnessError, match=r"was silent for 0\.1 s"),
    ):
        Control(server.url, limits=limits).version()


@pytest.mark.parametrize("script", [_trickle_headers, _trickle_a_body, _trickle_chunks])
def test_a_server_that_trickles_is_given_up_at_the_limit_of_the_whole_call(
    script: Callable[[Exchange], None],
) -> None:
    began_s = time.monotonic()
    with (
        CannedServer(script) as server,
        pytest.raises(HarnessError, match="did not finish its answer in time"),
    ):
        Control(server.url, limits=SHORT).version()
    assert 0.4 <= time.monotonic() - began_s < SOON_S


@pytest.mark.parametrize("told", [True, False], ids=["announced", "unannounced"])
def test_an_answer_beyond_the_size_is_not_read_to_its_end(told: bool) -> None:
    def script(exchange: Exchange) -> None:
        length = b"Content-Length: 1000000000\r\n" if told else b""
        exchange.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while True:
            exchange.send(b" " * 10_000)

    with (
        CannedServer(script) as server,
        pytest.raises(HarnessError, match="answered with more than 20000 bytes"),
    ):
        Control(server.url, limits=Limits(reply_bytes=20_000)).version()


def test_a_small_answer_that_would_unpack_to_a_large_one_is_refused() -> None:
    packed = gzip.compress(b" " * 1_000_000)
    with (
        answering(packed, Content_Encoding="gzip") as server,
        pytest.raises(HarnessError, match="in an encoding nobody asked for"),
    ):
        Control(server.url).version()
    assert server.exchanges[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_or_breaks_off_is_the_servers_fault(answer: bytes) -> None:
    with CannedServer(lambda each: each.send(answer)) as server, pytest.raises(HarnessError):
        Control(server.url).version()


@pytest.mark.parametrize("host", ["a" * 64, "xn--a", "nobody.invalid"])
def test_a_host_that_is_none_is_told(host: str) -> None:
    with pytest.raises(HarnessError, match="cannot be reached"):
        Control(f"http://{host}:1").version()


def test_no_call_is_sent_twice() -> None:
    with CannedServer(lambda each: each.send(b"")) as server, pytest.raises(HarnessError):
        Control(server.url).reset()
    assert len(server.exchanges) == 1


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_limit_must_be_a_time_above_zero(value: float) -> None:
    with pytest.raises(UsageError, match="total_s"):
        Limits(total_s=value)

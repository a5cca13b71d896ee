"""The client of `crashloop proxy` with servers that do not behave like a fault proxy."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from canned_server import CannedServer, answering

from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError
from crashloop.proxy.control import Control
from crashloop.proxy.faults import Latency

if TYPE_CHECKING:
    from canned_server import Exchange

OURS = {"X_Crashloop_Seq": "7"}
DB = {"name": "db", "listen": "[::]:5000", "upstream": "10.0.0.1:5432", "enabled": True}


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"version": "x"}, **OURS) as server, answering({}) as elsewhere:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        assert Control(server.url).settle() == 7
    assert elsewhere.exchanges == []


def test_names_are_quoted_and_a_wildcard_is_dialled_on_the_loopback() -> None:
    with answering(DB, **OURS) as server:
        control = Control(server.url)
        assert str(control.create("db", upstream="10.0.0.1:5432")) == "tcp:[::1]:5000"
        control.heal("a b/c?d", "x/y")
    assert server.exchanges[1].line == "DELETE /proxies/a%20b%2Fc%3Fd/toxics/x%2Fy HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", UsageError),
        ("403 Forbidden", UsageError),
        ("404 Not Found", UsageError),
        ("500 Internal Server Error", HarnessError),
        ("501 Not Implemented", CapabilityError),
        ("302 Found", HarnessError),
    ],
)
def test_a_rejection_has_the_proxys_words_and_what_was_asked(
    status: str, kind: type[CrashloopError]
) -> None:
    with (
        answering({"error": "not like this"}, status=status) as server,
        pytest.raises(kind) as raised,
    ):
        Control(server.url).inject("db", "slow", Latency(latency_s=1))
    for part in (server.url, "POST /proxies/db/toxics", status[:3], "not like this"):
        assert part in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b"[" * 100])
def test_an_answer_that_is_not_json_is_the_servers_fault(body: bytes) -> None:
    with answering(body, **OURS) as server, pytest.raises(HarnessError, match="GET /proxies"):
        Control(server.url).links("db")


def test_a_server_that_is_not_a_crashloop_proxy_is_recognised() -> None:
    with (
        answering({"version": "2.12.0"}) as server,
        pytest.raises(HarnessError, match="is not a crashloop proxy"),
    ):
        Control(server.url).settle()


def test_what_the_proxy_ignored_is_a_warning() -> None:
    with (
        answering({**DB, "warnings": ["it is a URL"]}, **OURS) as server,
        pytest.warns(UserWarning, match="it is a URL"),
    ):
        Control(server.url).create("db", upstream="http://db")


def test_a_missing_server_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(HarnessError) as raised:
        Control(url).settle()
    for part in (url, "GET /version", "refused", "is it running"):
        assert part in str(raised.value)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_silent_server_is_given_up(head: bytes) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(head)
        exchange.wait()

    with CannedServer(script) as server, pytest.raises(HarnessError, match="did not answer"):
        Control(server.url, limit_s=0.1).settle()


def test_a_server_that_ends_during_its_events_is_reported() -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin_chunked(**OURS)
        exchange.chunk(b'{"seq": 1}\n')

    with CannedServer(script) as server:
        events = Control(server.url).events(until=None)
        assert next(events) == {"seq": 1}
        with pytest.raises(HarnessError, match="did not answer GET /events"):
            next(events)


def test_an_endless_stream_outlives_the_limit_of_a_call() -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin_chunked(**OURS)
        exchange.server.over.wait(0.3)
        exchange.chunk(b'{"seq": 1}\n')
        exchange.wait_for_the_client_to_leave()

    with CannedServer(script) as server:
        events = Control(server.url, limit_s=0.1).events(until=None)
        assert next(events) == {"seq": 1}
        events.close()  # type: ignore[attr-defined]  # a generator


def test_a_url_that_is_not_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="not the address of a fault proxy"):
        Control("http://h:x")

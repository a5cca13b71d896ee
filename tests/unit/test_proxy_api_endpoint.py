"""Addresses by Go's rules; the expected words were measured on Toxiproxy 2.12."""

from __future__ import annotations

import errno

import pytest

from crashloop.errors import UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.api import endpoint
from crashloop.proxy.api.error import ApiError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1:5432", "127.0.0.1:5432"),
        ("127.0.0.1:", "127.0.0.1:0"),
        ("[127.0.0.1]:7", "127.0.0.1:7"),
        ("127.0.0.1:+080", "127.0.0.1:80"),
        ("localhost:7", "127.0.0.1:7"),
        ("[::1]:7", "[::1]:7"),
        ("[::]:7", "[::]:7"),
        ("0.0.0.0:7", "0.0.0.0:7"),
        (":7", "127.0.0.1:7"),
        ("", "127.0.0.1:0"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
async def test_an_address_is_read_as_go_reads_it_but_without_a_host_it_is_loopback(
    text: str, shown: str
) -> None:
    assert endpoint.show(await endpoint.listening(text)) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127.0.0.1:99999", "address 99999: invalid port"),
        ("127.0.0.1:-1", "address -1: invalid port"),
        ("127.0.0.1:4294967296", "address 4294967296: invalid port"),
        ("127.0.0.1:nosuchport", "lookup tcp/nosuchport: unknown port"),
        ("127.0.0.1:0x10", "lookup tcp/0x10: unknown port"),
        ("127.0.0.1", "address 127.0.0.1: missing port in address"),
        ("::1:7", "address ::1:7: too many colons in address"),
        ("http://127.0.0.1:1", "address http://127.0.0.1:1: too many colons in address"),
        ("[::1", "address [::1: missing ']' in address"),
        ("[::1]", "address [::1]: missing port in address"),
        ("[::1]7:7", "address [::1]7:7: missing port in address"),
        ("a[b:7", "address a[b:7: unexpected '[' in address"),
        ("127.1:7", "lookup 127.1: no such host"),
        ("0:7", "lookup 0: no such host"),
        ("0x7f000001:7", "lookup 0x7f000001: no such host"),
        ("a b:7", "lookup a b: no such host"),
        ("a\0b:7", "lookup a\0b: no such host"),
        ("a..b:7", "lookup a..b: no such host"),
    ],
)
async def test_an_address_that_cannot_be_used_is_told_in_gos_words(text: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        await endpoint.listening(text)
    assert caught.value.message == words
    assert caught.value.status == 500


@pytest.mark.parametrize("text", ["", "nosuch", "x:y", "127.0.0.1:99999", "unix:", "unix:/a\0b"])
def test_an_upstream_that_means_nothing_is_nowhere_and_told(text: str) -> None:
    address, problem = endpoint.upstream(text)
    assert (address.host, address.port) == ("127.0.0.1", 0)
    assert problem.startswith("upstream: ") or not text


def test_an_upstreams_name_is_not_looked_up() -> None:
    address, problem = endpoint.upstream("nosuchhost.invalid:5432")
    assert (address.host, problem) == ("nosuchhost.invalid", "")


def test_a_port_in_use_is_told_as_go_tells_it() -> None:
    error = UsageError("The proxy cannot listen.")
    error.__cause__ = OSError(errno.EADDRINUSE, "Address already in use")
    told = endpoint.not_listening(Address(host="127.0.0.1", port=7), error)
    assert told.message == "listen tcp 127.0.0.1:7: bind: address already in use"
    assert told.status == 500
    exists = endpoint.not_listening(Address(path="/run/x"), UsageError("/run/x exists already."))
    assert exists.message == "listen: /run/x exists already."

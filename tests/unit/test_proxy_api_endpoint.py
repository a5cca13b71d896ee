"""Addresses as clients of the API write them."""

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
        ("localhost:7", "127.0.0.1:7"),
        ("[::1]:7", "[::1]:7"),
        ("0.0.0.0:7", "0.0.0.0:7"),
        (":7", "127.0.0.1:7"),
        ("", "127.0.0.1:0"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
async def test_an_address_without_a_host_is_loopback(text: str, shown: str) -> None:
    assert endpoint.show(await endpoint.listening(text)) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127.0.0.1:99999", "listen tcp: address 99999: invalid port"),
        ("127.0.0.1:-1", "listen tcp: address -1: invalid port"),
        ("127.0.0.1:0000000080", "listen tcp: address 0000000080: invalid port"),
        ("127.0.0.1:nosuchport", "listen tcp: address nosuchport: invalid port"),
        ("127.0.0.1", "listen tcp: address 127.0.0.1: missing port in address"),
        ("::1:7", "listen tcp: address ::1:7: too many colons in address"),
        ("[::1", "listen tcp: address [::1: too many colons in address"),
        ("a b:7", "listen tcp: lookup a b: no such host"),
        ("a..b:7", "listen tcp: lookup a..b: no such host"),
        ("unix:/a\0b", "listen unix: address 'unix:/a\\x00b': holds a NUL character"),
    ],
)
async def test_an_address_that_cannot_be_used_is_answered_500(text: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        await endpoint.listening(text)
    assert (caught.value.message, caught.value.status) == (words, 500)


@pytest.mark.parametrize("text", ["", "nosuch", "x:y", "127.0.0.1:99999", "unix:", "unix:/a\0b"])
def test_an_upstream_that_cannot_be_dialled_is_nowhere_and_says_why(text: str) -> None:
    address, problem = endpoint.upstream(text)
    assert (address.host, address.port) == ("127.0.0.1", 0)
    assert problem.startswith(f"upstream {text!r} cannot be dialled: ")


@pytest.mark.parametrize("text", ["http://localhost:80", "postgresql://u:p@db:5432/app"])
def test_an_upstream_that_is_a_url_is_recognised(text: str) -> None:
    address, problem = endpoint.upstream(text)
    assert address == endpoint.NOWHERE
    assert problem == f"upstream {text!r} is a URL and cannot be dialled: give HOST:PORT"


def test_an_upstreams_name_is_not_looked_up() -> None:
    address, problem = endpoint.upstream("nosuchhost.invalid:5432")
    assert (address.host, problem) == ("nosuchhost.invalid", "")


def test_a_port_in_use_is_answered_with_the_systems_words() -> None:
    error = UsageError("The proxy cannot listen.")
    error.__cause__ = OSError(errno.EADDRINUSE, "Address already in use")
    told = endpoint.not_listening(Address(host="127.0.0.1", port=7), error)
    assert told.message == "listen tcp 127.0.0.1:7: bind: address already in use"
    assert told.status == 500
    exists = endpoint.not_listening(Address(path="/run/x"), UsageError("/run/x exists already."))
    assert exists.message == "listen: /run/x exists already."

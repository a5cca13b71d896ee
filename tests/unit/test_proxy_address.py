"""Addresses of the built-in proxy: text form, bounds, resolution."""

import socket

import pytest

from crashloop.errors import UsageError
from crashloop.proxy.address import LONGEST_UNIX_PATH_BYTES, Address, resolve


@pytest.mark.parametrize(
    "text", ["unix:/run/db/.s.PGSQL.5432", "tcp:127.0.0.1:5432", "tcp:[::1]:5432", "tcp:db:0"]
)
def test_the_text_form_reads_back_as_the_same_address(text: str) -> None:
    address = Address.parse(text)
    assert str(address) == text
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:5432", "unix:", "udp:h:1", "tcp:h:x", "tcp:h:²"])
def test_text_that_is_not_an_address_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(UsageError, match=r"not an address|needs a path"):
        Address.parse(text)


def test_a_path_and_a_pair_are_taken_as_they_are() -> None:
    assert str(Address.of("/tmp/x")) == "unix:/tmp/x"  # noqa: S108  never created
    assert str(Address.of(("::1", 80))) == "tcp:[::1]:80"
    assert Address.of("tcp:h:1") == Address(host="h", port=1)


def test_the_longest_unix_path_is_taken_and_one_byte_more_is_refused() -> None:
    longest = "/" + "x" * (LONGEST_UNIX_PATH_BYTES - 1)
    assert Address(path=longest).transport == "unix"
    with pytest.raises(UsageError, match="104 bytes"):
        Address(path=longest + "x")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match=r"0\.\.65535"):
        Address(host="h", port=port)


def test_a_wildcard_is_dialled_over_loopback() -> None:
    assert Address.parse("tcp:0.0.0.0:7").dialable() == Address.parse("tcp:127.0.0.1:7")
    assert Address.parse("tcp:[::]:7").dialable() == Address.parse("tcp:[::1]:7")
    assert Address.parse("tcp:10.0.0.1:7").dialable() == Address.parse("tcp:10.0.0.1:7")


def test_a_numeric_address_resolves_to_itself() -> None:
    target = resolve(Address.parse("tcp:127.0.0.1:7"))
    assert (target.family, target.sockaddr) == (socket.AF_INET, ("127.0.0.1", 7))

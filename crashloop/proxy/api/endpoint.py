"""Addresses as Toxiproxy's clients write them: `host:port`, by Go's rules, or `unix:/path`."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import re
import socket
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.api.error import ApiError

if TYPE_CHECKING:
    from crashloop.errors import CrashloopError

LOOPBACK = "127.0.0.1"
UNIX = "unix:"
MAX_PORT = 65535
NOWHERE = Address(host=LOOPBACK, port=0)
"""Port 0 takes no connection."""

_SIGNED_DIGITS = re.compile(r"[+-]?[0-9]+")
_NUMERIC_LABELS = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
_BROKEN_TEXT = re.compile(r"[\x00-\x20\x7f]")


def show(address: Address) -> str:
    """The text form of the API: what `listening` and `upstream` read."""
    if address.path:
        return f"{UNIX}{address.path}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


async def listening(text: str) -> Address:
    """Where to listen, its host looked up; without a host, loopback.

    Raises ApiError 500, as Toxiproxy answers, for what cannot be used.
    """
    address = _parse(text)
    if address.path:
        return address
    return Address(host=await _looked_up(address.host), port=address.port)


def upstream(text: str) -> tuple[Address, str]:
    """Where to forward to, and what is wrong with it, or nothing; a host's name stays a name.

    For what is no address it is a place where every connect() fails at once.
    """
    try:
        return _parse(text), ""
    except ApiError as error:
        return NOWHERE, f"upstream: {error.message}"


def not_listening(address: Address, error: CrashloopError) -> ApiError:
    """Toxiproxy's answer for an address that cannot be listened on: 500 with the system's words."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:
        kind = "unix" if address.path else "tcp"
        where = address.path or show(address)
        what = "socket" if cause.errno in {errno.EMFILE, errno.ENFILE} else "bind"
        return ApiError(f"listen {kind} {where}: {what}: {os.strerror(cause.errno).lower()}", 500)
    return ApiError(f"listen: {error.message}", 500)


def _parse(text: str) -> Address:
    try:
        if text.startswith(UNIX):
            path = text.removeprefix(UNIX)
            if "\0" in path:
                raise ApiError(f"address {text!r}: a path holds no NUL character", 500)
            return Address(path=path)
        host, port = _split(text)
        return Address(host=host or LOOPBACK, port=_port(port))
    except UsageError as error:
        raise ApiError(error.message, 500) from error


def _split(text: str) -> tuple[str, str]:
    """Go's net.SplitHostPort, except that a listen address may be empty as a whole."""
    if not text:
        return "", ""

    def wrong(why: str) -> ApiError:
        return ApiError(f"address {text}: {why}", 500)

    last = text.rfind(":")
    if last < 0:
        raise wrong("missing port in address")
    if text.startswith("["):
        end = text.find("]")
        if end < 0:
            raise wrong("missing ']' in address")
        if end + 1 != last:
            is_colon = text[end + 1 : end + 2] == ":"
            raise wrong(f"{'too many colons' if is_colon else 'missing port'} in address")
        host, rest = text[1:end], text[1:end] + text[last + 1 :]
    else:
        host, rest = text[:last], text
        if ":" in host:
            raise wrong("too many colons in address")
    for bracket in "[]":
        if bracket in rest:
            raise wrong(f"unexpected '{bracket}' in address")
    return host, text[last + 1 :]


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isascii() and _SIGNED_DIGITS.fullmatch(text):
        number = int(text[:20])
        if not 0 <= number <= MAX_PORT:
            raise ApiError(f"address {text}: invalid port", 500)
        return number
    try:
        return socket.getservbyname(text.lower(), "tcp")
    except (OSError, ValueError):
        raise ApiError(f"lookup tcp/{text}: unknown port", 500) from None


async def _looked_up(host: str) -> str:
    """An IP address of a host; an IPv4 one where there is any, as Go prefers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return host
    unknown = ApiError(f"lookup {host}: no such host", 500)
    # forms such as "0" and "127.1" are addresses to the C library, and "0" is every interface
    if _NUMERIC_LABELS.fullmatch(host) or _BROKEN_TEXT.search(host):
        raise unknown
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise unknown from None
    hosts = [str(sockaddr[0]) for *_, sockaddr in found]
    return next((one for one in hosts if ":" not in one), hosts[0])

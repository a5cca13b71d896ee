"""Addresses as Toxiproxy's clients write them: `host:port`, or `unix:/path`."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
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


def show(address: Address) -> str:
    """The text form of the API: what `listening` and `upstream` read."""
    return str(address).removeprefix("tcp:")


async def listening(text: str) -> Address:
    """Where to listen, its host looked up; without a host, loopback.

    Raises ApiError 500, as Toxiproxy answers, for what cannot be used.
    """
    try:
        address = _parse(text)
        if address.path:
            return address
        return Address(host=await _looked_up(address.host), port=address.port)
    except ApiError as error:
        kind = "unix" if text.startswith(UNIX) else "tcp"
        raise ApiError(f"listen {kind}: {error.message}", error.status) from error


def upstream(text: str) -> tuple[Address, str]:
    """Where to forward to, and what is wrong with it, if anything; a host name is not looked up.

    A text that is not an address becomes one to which every connect() fails at once.
    """
    if "://" in text:
        return NOWHERE, f"upstream {text!r} is a URL and cannot be dialled: give HOST:PORT"
    try:
        address = _parse(text)
    except ApiError as error:
        return NOWHERE, f"upstream {text!r} cannot be dialled: {error.message}"
    has_port = address.path or address.port
    return address, "" if has_port else f"upstream {text!r} cannot be dialled: it has no port"


def not_listening(address: Address, error: CrashloopError) -> ApiError:
    """Toxiproxy's answer for an address that cannot be listened on: 500 with the system's words."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:
        kind = "unix" if address.path else "tcp"
        what = "socket" if cause.errno in {errno.EMFILE, errno.ENFILE} else "bind"
        reason = os.strerror(cause.errno).lower()
        return ApiError(f"listen {kind} {address.path or show(address)}: {what}: {reason}", 500)
    return ApiError(f"listen: {error.message}", 500)


def _parse(text: str) -> Address:
    if "\0" in text:
        raise ApiError(f"address {text!r}: holds a NUL character", 500)
    if text.startswith(UNIX):
        try:
            return Address.parse(text)
        except UsageError as error:
            raise ApiError(error.message, 500) from error
    host, colon, port = (text or ":").rpartition(":")
    if not colon:
        raise ApiError(f"address {text}: missing port in address", 500)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ApiError(f"address {text}: too many colons in address", 500)
    digits = port or "0"
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_PORT))
    if not is_number or int(digits) > MAX_PORT:
        raise ApiError(f"address {port}: invalid port", 500)
    return Address(host=host or LOOPBACK, port=int(digits))


async def _looked_up(host: str) -> str:
    """An IP address of a host; an IPv4 one if there is any, as Go prefers."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise ApiError(f"lookup {host}: no such host", 500) from None
    hosts = [str(sockaddr[0]) for *_, sockaddr in found]
    return next((one for one in hosts if ":" not in one), hosts[0])

"""Where a proxy listens and where it forwards to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any

from crashloop.errors import UsageError
from crashloop.model import Transport

Endpoint = tuple[str, int]
"""An IP address (IPv4 never mapped to IPv6) and a port."""

LONGEST_UNIX_PATH_BYTES = 103
"""One less than the smallest `sun_path` of the supported kernels (104 on macOS, 108 on Linux)."""

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, never bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Either a Unix socket's path, or a host and a port.

    Text form: `unix:/run/db/.s.PGSQL.5432`, `tcp:127.0.0.1:5432`, `tcp:[::1]:5432`.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.host):
            raise UsageError(
                f"An address needs a path or a host, not both: {self.path!r}, {self.host!r}.",
                hint="Use unix:/path or tcp:host:port.",
            )
        size_bytes = len(self.path.encode())
        if size_bytes > LONGEST_UNIX_PATH_BYTES:
            raise UsageError(
                f"The Unix socket path {self.path} has {size_bytes} bytes; "
                f"the kernel takes {LONGEST_UNIX_PATH_BYTES} at most.",
                hint="Choose a shorter folder, for example one directly under /tmp.",
            )
        if not 0 <= self.port <= 65535:  # noqa: PLR2004  the port's own range
            raise UsageError(f"Port {self.port} of {self.host} is not in 0..65535.")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}"

    @property
    def transport(self) -> Transport:
        """The kind of socket behind this address."""
        return Transport.UNIX if self.path else Transport.TCP

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse the text form; raises UsageError for anything else."""
        scheme, _, rest = text.partition(":")
        if scheme == "unix" and rest:
            return cls(path=rest)
        host, _, port = rest.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if scheme != "tcp" or not host or not port.isascii() or not port.isdigit():
            raise UsageError(
                f"{text!r} is not an address.",
                hint="Use unix:/path or tcp:host:port, for example tcp:127.0.0.1:5432.",
            )
        return cls(host=host, port=int(port))

    @classmethod
    def of(cls, value: AddressLike) -> Address:
        """Convert an address, its text form, an absolute path, or a (host, port) pair."""
        if isinstance(value, Address):
            return value
        if isinstance(value, tuple):
            return cls(host=value[0], port=value[1])
        return cls(path=value) if value.startswith("/") else cls.parse(value)

    def dialable(self) -> Address:
        """Replace a wildcard host by the loopback host that reaches it."""
        if self.host in _WILDCARDS:
            return Address(host=_WILDCARDS[self.host], port=self.port)
        return self


AddressLike = Address | str | tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One resolved address, as `socket.socket` and `connect` take it."""

    family: socket.AddressFamily
    sockaddr: str | tuple[str, int]


def resolve(address: Address) -> Target:
    """Resolve an address to the first target of its host; blocks while a name is looked up.

    Raises UsageError when the host is unknown.
    """
    if address.path:
        return Target(family=socket.AF_UNIX, sockaddr=address.path)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(
            f"The host of {address} cannot be resolved: {error}.",
            hint="Give an IP address, or a name that this machine knows.",
        ) from error
    return _target(found[0])


def fixed_target(address: Address) -> Target | None:
    """The target of an address that needs no look-up, a path or an IP address; else None."""
    if not address.path:
        try:
            ipaddress.ip_address(address.host)
        except ValueError:
            return None
    return resolve(address)


async def targets_of(address: Address) -> tuple[Target, ...]:
    """Look a host's name up without blocking the loop; raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{address.host!r} is not a host name: {error}") from error
    return tuple(dict.fromkeys(map(_target, found)))


def _target(found: tuple[Any, ...]) -> Target:
    family, _, _, _, sockaddr = found
    return Target(family=family, sockaddr=(str(sockaddr[0]), int(sockaddr[1])))


def is_wildcard(host: str) -> bool:
    """Whether a listener on this IP address takes connections to any address."""
    return ipaddress.ip_address(host).is_unspecified

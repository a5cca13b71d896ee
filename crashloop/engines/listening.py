"""At which addresses of this machine a port is open, by the kernel's own table."""

from __future__ import annotations

import ipaddress
import socket

from crashloop.errors import CapabilityError
from crashloop.proxy.kernel.sock_diag import LISTEN, SocketTable


def listens_on(address: tuple[str, int]) -> list[str]:
    """The addresses at which something listens at the port of `address`, such as "0.0.0.0".

    Empty where that cannot be known: not on Linux, or in another network namespace.
    """
    host, port = address
    if not ipaddress.ip_address(host).is_loopback:
        return []
    try:
        with SocketTable((socket.AF_INET, socket.AF_INET6)) as table:
            found = {each.local_host for each in table.read(LISTEN) if each.local_port == port}
    except (CapabilityError, OSError):
        return []
    return sorted(found)

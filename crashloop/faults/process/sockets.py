"""At which addresses the processes of a life listen, by the kernel's own table."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.proxy.kernel.owner import session_of
from crashloop.proxy.kernel.sock_diag import LISTEN, SocketTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.proxy.address import Endpoint

EVERY = ("0.0.0.0", "::")  # noqa: S104  what others listen at
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def own_listeners(pid: int) -> list[Endpoint]:
    """Where the process and those of its session listen."""
    own = set(_inodes(pid))
    with SocketTable(FAMILIES) as table:
        found = {(s.local_host, s.local_port) for s in table.read(LISTEN) if s.inode in own}
    return sorted(found)


def has_other_listener(pid: int, address: Endpoint) -> bool:
    """Whether somebody else than the process and those of its session listens at the address."""
    host, port = address
    own = set(_inodes(pid))
    with SocketTable(FAMILIES) as table:
        return any(
            each.local_port == port and each.local_host in (host, *EVERY) and each.inode not in own
            for each in table.read(LISTEN)
        )


def _inodes(pid: int) -> Iterator[int]:
    """The sockets that the processes of a session have open."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or session_of(int(folder.name)) != pid:
            continue
        with contextlib.suppress(OSError):  # it has ended
            for name in os.listdir(folder / "fd"):  # noqa: PTH208  names only
                with contextlib.suppress(OSError):  # closed since it was listed
                    target = str((folder / "fd" / name).readlink())
                    if target.startswith("socket:["):
                        yield int(target[len("socket:[") : -1])

"""Find the process that opened a connection to the proxy."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from crashloop.proxy.kernel.owner import owner_pid
from crashloop.proxy.kernel.sock_diag import find_connected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.proxy.address import Endpoint


_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED of unix(7)
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2  # macOS' sys/un.h


def client_pid(client: socket.socket, peer: Endpoint | None, pids: Iterable[int]) -> int | None:
    """Find the client's process id; None if the kernel does not show it.

    A Unix socket's peer is known for any process. Over TCP only `pids` and their sessions are
    searched, by the socket at the other end (Linux).
    """
    if client.family == socket.AF_UNIX:
        return _of_unix(client)
    wanted = tuple(pids)
    if peer is None or not wanted:
        return None
    host, port = client.getsockname()[:2]
    with suppress(OSError):
        found = find_connected(peer, (host.removeprefix("::ffff:"), port))
        if found is not None and found.inode:
            return owner_pid(found.inode, wanted)
    return None


def _of_unix(client: socket.socket) -> int | None:
    if hasattr(socket, "SO_PEERCRED"):
        packed = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(packed)[0]
        return pid or None
    if sys.platform == "darwin":
        with suppress(OSError):
            return client.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    return None

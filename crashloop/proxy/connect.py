"""Non-blocking connects that work the same on every event loop and for Unix sockets."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

from crashloop.proxy.address import targets_of

if TYPE_CHECKING:
    from crashloop.proxy.address import Address, Target

_BACKLOG_RETRY_S = 0.005
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EINTR})


def open_socket(family: socket.AddressFamily) -> socket.socket:
    """Open a non-blocking stream socket; small writes on it leave at once."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def begin_connect(sock: socket.socket, target: Target) -> int:
    """Begin to connect a non-blocking socket; returns an errno, or zero if it is connected."""
    code = sock.connect_ex(target.sockaddr)
    if code in _IN_PROGRESS:
        # Over loopback it is connected by now; asking again saves a turn of the loop.
        code = sock.connect_ex(target.sockaddr)
    return 0 if code == errno.EISCONN else code


async def connect(sock: socket.socket, target: Target, begun: int | None = None) -> None:
    """Connect a non-blocking socket; raises OSError, and waits as long as the kernel does.

    `begun` is the result of `begin_connect`, if it was called before.
    """
    code = begin_connect(sock, target) if begun is None else begun
    while code == errno.EAGAIN:
        # A Unix socket's backlog is full; nothing announces a free place. Event loops take the
        # code for success (asyncio) or failure (uvloop).
        await asyncio.sleep(_BACKLOG_RETRY_S)
        code = begin_connect(sock, target)
    if code in _IN_PROGRESS:
        await _writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def connect_by_name(address: Address) -> socket.socket:
    """Look up the host of an address, and connect to the first of its addresses that answers.

    Raises the last one's OSError.
    """
    failed: OSError | None = None
    for target in await targets_of(address):
        sock = open_socket(target.family)
        try:
            await connect(sock, target)
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    assert failed is not None, "a host that is found has an address"
    raise failed


async def observe(sock: socket.socket, target: Target, limit_s: float) -> str:
    """Try to connect and say what a client would see.

    Returns "connected", "refused", "no answer" (nothing within `limit_s`) or an errno's name.
    The socket stays open; the caller closes it.
    """
    try:
        async with asyncio.timeout(limit_s):
            await connect(sock, target)
    except TimeoutError:
        return "no answer"
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "connected"


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

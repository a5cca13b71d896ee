"""Connecting without blocking: the same on every event loop and for Unix sockets."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.proxy.address import Target

_BACKLOG_RETRY_S = 0.005
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EINTR})


def open_socket(family: socket.AddressFamily) -> socket.socket:
    """Open a non-blocking stream socket; small writes on it leave at once."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def connect(sock: socket.socket, target: Target) -> None:
    """Connect a non-blocking socket; raises OSError, and waits as long as the kernel does.

    A full backlog of a Unix socket answers EAGAIN, which event loops take for success (asyncio)
    or failure (uvloop); nothing announces a free place, so it is tried again at short intervals.
    """
    while True:
        code = sock.connect_ex(target.sockaddr)
        if code != errno.EAGAIN:
            break
        await asyncio.sleep(_BACKLOG_RETRY_S)
    if code in _IN_PROGRESS:
        await _writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def observe(sock: socket.socket, target: Target, limit_s: float) -> str:
    """Try to connect and say what a client would see.

    Returns "connected", "refused", "no answer" (nothing within `limit_s`) or an errno's name.
    The socket stays open and the caller's.
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

"""Accepting from a listening socket, also when descriptors run out."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from crashloop.proxy.address import Endpoint
    from crashloop.proxy.events import Emit

BACKLOG = 1024
_BATCH = 64
_STARVED_RETRY_S = 0.5
_STARVED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EINTR})


class Acceptor:
    """Pass each new connection to `admit(client, peer)`, from `resume()` to `close()`.

    When accept(), or a socket that admit() opens, fails for lack of descriptors, `gate.starved` is
    emitted and nothing is accepted until `feed()` or a short retry. The client that was accepted
    is kept and goes first. `gate.fed` is emitted when accepting continues.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        admit: Callable[[socket.socket, Endpoint | None], None],
        emit: Emit,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._admit = admit
        self._emit = emit
        self._parked: tuple[socket.socket, Endpoint | None] | None = None
        self._wanted = False
        self._starved_ns: int | None = None
        self._retry: asyncio.TimerHandle | None = None

    def resume(self) -> None:
        """Accept from now on."""
        if not self._wanted:
            self._wanted = True
            if self._starved_ns is None:
                self._loop.add_reader(self._listener, self._on_readable)

    def drain(self) -> None:
        """Accept all connections in the kernel's queue; none after `close()`."""
        if self._listener.fileno() < 0:
            return
        for _ in range(BACKLOG + 1):
            if not self._accept_one():
                return

    def feed(self) -> None:
        """Try again after a lack of descriptors; harmless otherwise."""
        if self._starved_ns is None:
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._parked is not None:
            client, peer = self._parked
            self._parked = None
            if not self._hand_over(client, peer):
                return
        if self._wanted and not self._accept_one() and self._retry is not None:
            return
        starved_s = (time.monotonic_ns() - self._starved_ns) / 1e9
        self._starved_ns = None
        self._emit("gate.fed", {"starved_s": starved_s})
        if self._wanted:
            self._loop.add_reader(self._listener, self._on_readable)

    def close(self) -> None:
        """Stop and close the listening socket; queued clients are reset by the kernel."""
        if self._wanted and self._starved_ns is None:
            self._loop.remove_reader(self._listener)
        self._wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._parked is not None:
            self._parked[0].close()
            self._parked = None
        self._starved_ns = None
        self._listener.close()

    def _on_readable(self) -> None:
        for _ in range(_BATCH):
            if not self._wanted or not self._accept_one():
                return

    def _accept_one(self) -> bool:
        try:
            client, name = self._listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _GONE:
                return True
            if error.errno in _STARVED:
                self._starve(error)
                return False
            raise
        peer = (str(name[0]).removeprefix("::ffff:"), int(name[1])) if name else None
        return self._hand_over(client, peer)

    def _hand_over(self, client: socket.socket, peer: Endpoint | None) -> bool:
        try:
            self._admit(client, peer)
        except OSError as error:
            if error.errno not in _STARVED:
                client.close()
                raise
            self._parked = (client, peer)
            self._starve(error)
            return False
        return True

    def _starve(self, error: OSError) -> None:
        if self._starved_ns is None:
            self._starved_ns = time.monotonic_ns()
            if self._wanted:
                self._loop.remove_reader(self._listener)
            name = errno.errorcode.get(error.errno or 0, str(error))
            self._emit("gate.starved", {"error": name})
        self._retry = self._loop.call_later(_STARVED_RETRY_S, self.feed)

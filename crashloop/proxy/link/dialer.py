"""Connecting a link to its upstream: by callbacks, for links come by the thousand."""

from __future__ import annotations

import errno
import os
from socket import SO_ERROR, SOL_SOCKET
from typing import TYPE_CHECKING

from crashloop.proxy.address import targets_of
from crashloop.proxy.connect import open_socket

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from crashloop.proxy.address import Address, Target

_BACKLOG_RETRY_S = 0.005
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EINTR})


class Dialer:
    """Connects to the first target of an address that answers, and calls `done` once.

    `done(socket, None)`, or `done(None, error)` with the last target's OSError or a TimeoutError
    past `limit_s`; perhaps before `begin` returns. `first` is an open socket of the first
    target's family and becomes the dialer's: it is handed over or closed. Without `targets` the
    address's host is looked up each time, as it may move.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        first: socket.socket,
        address: Address,
        targets: tuple[Target, ...] | None,
        limit_s: float,
        done: Callable[[socket.socket | None, OSError | None], None],
    ) -> None:
        self._loop = loop
        self._socket = first
        self._address = address
        self._targets = targets or ()
        self._looks_up = targets is None
        self._limit_s = limit_s
        self._done: Callable[[socket.socket | None, OSError | None], None] | None = done
        self._next = 0
        self._waiting = self._limited = False
        self._timers: list[asyncio.Handle] = []
        self._looking: asyncio.Task[tuple[Target, ...]] | None = None

    def begin(self) -> None:
        """Start to connect."""
        if self._looks_up:
            self._looking = self._loop.create_task(targets_of(self._address))
            self._looking.add_done_callback(self._on_found)
            self._limit()
        else:
            self._try()

    def cancel(self) -> None:
        """Give up silently."""
        self._done = None
        self._end()
        self._socket.close()

    def _limit(self) -> None:
        if not self._limited:
            self._limited = True
            self._timers.append(self._loop.call_later(self._limit_s, self._on_limit))

    def _on_limit(self) -> None:
        text = f"no connection to {self._address} within {self._limit_s:g} s"
        self._fail(TimeoutError(errno.ETIMEDOUT, text))

    def _on_found(self, looking: asyncio.Task[tuple[Target, ...]]) -> None:
        if self._done is None or looking.cancelled():
            return
        error = looking.exception()
        if error is None:
            self._targets = looking.result()
            self._try()
        else:
            self._fail(error if isinstance(error, OSError) else OSError(str(error)))

    def _try(self) -> None:
        target = self._targets[self._next]
        if self._socket.family != target.family:
            self._socket.close()
            try:
                self._socket = open_socket(target.family)
            except OSError as error:
                self._fail(error)
                return
        code = self._socket.connect_ex(target.sockaddr)
        if code in _IN_PROGRESS:
            # Over loopback the connection stands by now; asking again saves a turn of the loop.
            code = self._socket.connect_ex(target.sockaddr)
        if code == 0:
            self._succeed()
        elif code in _IN_PROGRESS:
            self._limit()
            self._waiting = True
            self._loop.add_writer(self._socket, self._on_writable)
        elif code == errno.EAGAIN:
            # A Unix socket's backlog is full; nothing announces a free place.
            self._limit()
            self._timers.append(self._loop.call_later(_BACKLOG_RETRY_S, self._try))
        else:
            # Not at once: the client's own connect() is to succeed before it sees a reset.
            self._timers.append(self._loop.call_soon(self._refused, code))

    def _on_writable(self) -> None:
        self._stop_waiting()
        code = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            self._refused(code)
        else:
            self._succeed()

    def _refused(self, code: int) -> None:
        self._next += 1
        if self._next == len(self._targets):
            self._fail(OSError(code, os.strerror(code)))
            return
        family = self._targets[self._next].family
        self._socket.close()
        try:
            self._socket = open_socket(family)
        except OSError as error:
            self._fail(error)
        else:
            self._try()

    def _succeed(self) -> None:
        done, self._done = self._done, None
        self._end()
        if done is not None:
            done(self._socket, None)

    def _fail(self, error: OSError) -> None:
        done, self._done = self._done, None
        self._end()
        self._socket.close()
        if done is not None:
            done(None, error)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._socket)

    def _end(self) -> None:
        self._stop_waiting()
        for timer in self._timers:
            timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

"""A listener with a full accept queue: the kernel drops the SYNs that are steered to it."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.connect import connect, open_socket
from crashloop.proxy.kernel.steering import FULL, OPEN, steer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crashloop.proxy.address import Address, Endpoint, Target

_FILL_LIMIT_S = 1
_QUEUED_OFFSET, _QUEUED_BYTES = 24, 4
"""`tcpi_unacked` of linux/tcp.h's tcp_info: for a listener, the clients in its accept queue."""


class SynDrop:
    """Drop the SYNs to a port, except those of the sources that are let in.

    The accept queue of a second listener on the port, made by `listen(backlog)`, takes one
    connection and holds our own, which `target` reaches.
    """

    def __init__(
        self,
        *,
        address: Address,
        target: Target,
        listener: socket.socket,
        listen: Callable[[int], socket.socket],
    ) -> None:
        self._address = address
        self._target = target
        self._listener = listener
        self._listen = listen
        self._filler: socket.socket | None = None
        self._full: socket.socket | None = None

    async def open(self) -> None:
        """Begin to drop SYNs.

        Raises CapabilityError if the kernel cannot steer, HarnessError when the queue does not
        fill; no SYN is dropped then.
        """
        try:
            self._filler = open_socket(self._target.family)
            self._filler.bind((self._target.sockaddr[0], 0))
            host, port = self._filler.getsockname()[:2]
            steer(self._listener, [(host, port)], to=FULL, others=OPEN)
            self._full = self._listen(0)
            async with asyncio.timeout(_FILL_LIMIT_S):
                await connect(self._filler, self._target)
            self._require_full(self._full)
            self.let_in(())
        except OSError as error:
            self.close()
            raise CapabilityError(
                f"SYNs to {self._address} cannot be dropped here: "
                f"{error.strerror or 'the queue does not fill'}.",
                hint="This needs Linux 4.5 or later and the kernel's own TCP (no sandbox). "
                "Use a hold: accepted, then silent.",
            ) from error
        except BaseException:
            self.close()
            raise

    def _require_full(self, listener: socket.socket) -> None:
        if _queued(listener) != 1:
            raise HarnessError(
                f"The connection that should fill {self._address} went elsewhere.",
                hint="Does another process share this port by SO_REUSEPORT?",
            )

    def let_in(self, sources: Collection[Endpoint]) -> None:
        """Take the SYNs of these sources, at most MOST_SOURCES, and drop all others."""
        steer(self._listener, sources, to=OPEN, others=FULL)

    def close(self) -> None:
        """Stop dropping SYNs; the kernel refuses them if the port's other listener is closed."""
        if self._full is not None:
            if self._listener.fileno() >= 0:
                steer(self._listener, to=OPEN, others=OPEN)
            self._full.close()
            self._full = None
        if self._filler is not None:
            self._filler.close()
            self._filler = None


def _queued(listener: socket.socket) -> int:
    size = _QUEUED_OFFSET + _QUEUED_BYTES
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    return int.from_bytes(info[_QUEUED_OFFSET:], sys.byteorder)

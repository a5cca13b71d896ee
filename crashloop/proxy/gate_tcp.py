"""A TCP port that can be open, refuse, or swallow SYNs, and is ours in every state."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError
from crashloop.proxy.acceptor import BACKLOG, Acceptor
from crashloop.proxy.address import Address, resolve
from crashloop.proxy.dial import connect, observe, open_socket

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.proxy.acceptor import Peer
    from crashloop.proxy.events import Emit

_FILL_ATTEMPTS = 50
_FILL_LIMIT_S = 0.02
_TCP_ESTABLISHED = b"\x01"


class TcpGate:
    """Listens on `address` (port 0: the kernel chooses) from construction to `close()`.

    A second socket, the keeper, is bound to the port and never listens: while the gate refuses,
    the kernel answers RST and the port cannot become anybody else's, except a process of the same
    user that asks for SO_REUSEPORT (the self-probe at the heal would find it).

    To shut the gate the accept queue is cut to one place and filled with a connection of ours, so
    the kernel drops every SYN as for an overloaded server; that needs no right.
    """

    def __init__(
        self,
        *,
        address: Address,
        admit: Callable[[socket.socket, Peer], None],
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._admit = admit
        self._emit = emit
        self._own_ports: set[int] = set()
        self._probe: socket.socket | None = None
        self._filler: socket.socket | None = None
        self._keeper, host = _reserve(address)
        self.address = Address(host=host, port=self._keeper.getsockname()[1])
        self._target = resolve(self.address.dialable())[0]
        try:
            self._listener = self._listen()
        except OSError as error:
            self._keeper.close()
            raise _in_use(address, error) from error
        self._acceptor = self._accept()

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return self._target.family

    @property
    def is_shut(self) -> bool:
        """Whether SYNs are being dropped."""
        return self._filler is not None

    def own_inodes(self) -> frozenset[int]:
        """The sockets with which the gate itself knocks at the port."""
        mine = (self._filler, self._probe)
        return frozenset(os.fstat(sock.fileno()).st_ino for sock in mine if sock is not None)

    def start(self) -> None:
        """Accept from now on."""
        self._acceptor.resume()

    def feed(self) -> None:
        """A descriptor may be free again."""
        self._acceptor.feed()

    def drain(self) -> None:
        """Admit all who are connected at this instant; not while the gate is shut."""
        assert not self.is_shut, "the gate's own filler is in the queue"
        self._acceptor.drain()

    def refuse(self) -> None:
        """Answer RST from now on; clients still in the accept queue are reset."""
        self._acceptor.close()

    def reopen(self) -> None:
        """Accept again after `refuse()`, on the same port."""
        self._listener = self._listen()
        self._acceptor = self._accept()
        self._acceptor.resume()

    async def shut(self) -> None:
        """Drop SYNs from the return on. Who connects before the gate is full is admitted.

        Raises HarnessError when the queue cannot be filled.
        """
        self._acceptor.pause()
        for _ in range(_FILL_ATTEMPTS):
            self._acceptor.drain()
            self._listener.listen(0)
            filler = open_socket(self.family)
            try:
                if await self._fills(filler):
                    self._filler = filler
                    return
            except BaseException:
                filler.close()
                raise
            filler.close()
        self.unshut()
        raise HarnessError(
            f"The accept queue of {self.address} could not be filled in {_FILL_ATTEMPTS} attempts.",
            hint="Something connects to it all the time; start the fault before the load.",
        )

    def unshut(self) -> None:
        """Take SYNs again; who waits comes in with its kernel's next retransmission."""
        self._listener.listen(BACKLOG)
        if self._filler is not None:
            self._filler.close()
            self._filler = None
        self._acceptor.drain()
        self._own_ports.clear()
        self._acceptor.resume()

    async def observe(self, limit_s: float) -> str:
        """Knock at the port as a client would and say what that sees; see `dial.observe`."""
        with open_socket(self.family) as probe:
            self._probe = probe
            try:
                seen = await observe(probe, self._target, limit_s)
                if seen == "connected":
                    self._own_ports.add(probe.getsockname()[1])
            finally:
                self._probe = None
        return seen

    def close(self) -> None:
        """Give the port back."""
        self._acceptor.close()
        if self._filler is not None:
            self._filler.close()
            self._filler = None
        self._keeper.close()

    async def _fills(self, filler: socket.socket) -> bool:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_FILL_LIMIT_S):
                await connect(filler, self._target)
        self._own_ports.add(filler.getsockname()[1])
        state = filler.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state == _TCP_ESTABLISHED

    def _listen(self) -> socket.socket:
        listener = open_socket(self._keeper.family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address.host, self.address.port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def _accept(self) -> Acceptor:
        return Acceptor(
            loop=self._loop, listener=self._listener, admit=self._on_accept, emit=self._emit
        )

    def _on_accept(self, client: socket.socket, peer: Peer) -> None:
        if peer is not None and peer[1] in self._own_ports:
            self._own_ports.discard(peer[1])
            client.close()
            return
        self._admit(client, peer)


def _reserve(address: Address) -> tuple[socket.socket, str]:
    target = resolve(address)[0]
    for remains_of_earlier_runs in (False, True):
        keeper = socket.socket(target.family, socket.SOCK_STREAM)
        if remains_of_earlier_runs:
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            keeper.bind(target.sockaddr)
        except OSError as error:
            keeper.close()
            if error.errno != errno.EADDRINUSE or remains_of_earlier_runs:
                raise _in_use(address, error) from error
        else:
            # Set after the bind: the keeper found the port free, the listener may join it.
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            return keeper, str(target.sockaddr[0])
    raise AssertionError("the second attempt returns or raises")


def _in_use(address: Address, error: OSError) -> UsageError:
    return UsageError(
        f"The proxy cannot listen on {address}: {error.strerror}.",
        hint="Choose another address, or port 0 for a free port.",
    )

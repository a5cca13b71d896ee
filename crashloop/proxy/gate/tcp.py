"""A TCP port that accepts, refuses or drops SYNs, and stays bound in every state."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError
from crashloop.proxy.address import Address, resolve
from crashloop.proxy.connect import observe, open_socket
from crashloop.proxy.gate.acceptor import BACKLOG, Acceptor
from crashloop.proxy.kernel.syn_drop import SynDrop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crashloop.proxy.address import Endpoint
    from crashloop.proxy.events import Emit


class TcpGate:
    """Listens on `address` (port 0: the kernel chooses) from construction to `close()`.

    `[::]` takes IPv4 as well. A second socket, the reservation, is bound to the port and never
    listens: while the gate refuses, the kernel answers RST and nobody else can take the port,
    except a process of the same user that asks for SO_REUSEPORT (the self-probe at the heal finds
    it). To shut the gate, its SYNs are steered to a full listener; see `kernel.syn_drop`.
    """

    def __init__(
        self,
        *,
        address: Address,
        admit: Callable[[socket.socket, Endpoint | None], None],
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._admit = admit
        self._emit = emit
        self._probe_port: int | None = None
        self._syn_drop: SynDrop | None = None
        self._reservation, host = _reserve(address)
        self.address = Address(host=host, port=self._reservation.getsockname()[1])
        self._target = resolve(self.address.dialable())
        try:
            self._listener = self._listen(BACKLOG)
        except OSError as error:
            self._reservation.close()
            raise _in_use(address, error) from error
        self._acceptor = self._accept()

    @property
    def is_shut(self) -> bool:
        """Whether SYNs are being dropped."""
        return self._syn_drop is not None

    def is_own(self, port: int) -> bool:
        """Whether the gate's own probe uses this port now."""
        return port == self._probe_port

    def start(self) -> None:
        """Accept from now on."""
        self._acceptor.resume()

    def feed(self) -> None:
        """Retry accepting: a descriptor may be free again."""
        self._acceptor.feed()

    def drain(self) -> None:
        """Admit every client that is connected."""
        self._acceptor.drain()

    def refuse(self) -> None:
        """Answer RST; clients that are still in the accept queue are reset."""
        assert not self.is_shut, "a gate that is shut is opened first"
        self._acceptor.close()

    def reopen(self) -> None:
        """Accept again after `refuse()`, on the same port.

        Raises HarnessError when another process has taken the port.
        """
        try:
            self._listener = self._listen(BACKLOG)
        except OSError as error:
            raise HarnessError(
                f"{self.address} cannot be listened on again: {error.strerror}.",
                hint="Does another process of this user listen on this port?",
            ) from error
        self._acceptor = self._accept()
        self._acceptor.resume()

    async def shut(self) -> None:
        """Drop every SYN; a client that has connected before is admitted.

        Raises CapabilityError if the kernel cannot, HarnessError when the port is shared; the
        gate is open then.
        """
        assert not self.is_shut, "the gate is shut once"
        drop = SynDrop(
            address=self.address,
            target=self._target,
            listener=self._listener,
            listen=self._listen,
        )
        await drop.open()
        self._syn_drop = drop
        self._acceptor.drain()

    def let_in(self, sources: Collection[Endpoint]) -> None:
        """While the gate is shut, take only the SYNs of these sources."""
        assert self._syn_drop is not None, "only a gate that is shut lets in"
        self._syn_drop.let_in(sources)

    def unshut(self) -> None:
        """Take SYNs again; a waiting client connects with its kernel's next retransmission."""
        if self._syn_drop is not None:
            self._syn_drop.close()
            self._syn_drop = None

    async def observe(self, limit_s: float, then: Callable[[], None] | None = None) -> str:
        """Probe the port as a client would; returns what `connect.observe` does.

        `then` is called when that is known, while `is_own` still knows the probe's port.
        """
        seen = ""
        with open_socket(self._target.family) as probe:
            probe.bind(("", 0))
            self._probe_port = probe.getsockname()[1]
            try:
                seen = await observe(probe, self._target, limit_s)
                if then is not None:
                    then()
                if seen == "connected":
                    self._acceptor.drain()
            finally:
                self._probe_port = None
        return seen

    def close(self) -> None:
        """Release the port; who waits at a gate that is shut is refused and never let in."""
        self._acceptor.close()
        self.unshut()
        self._reservation.close()

    def _listen(self, backlog: int) -> socket.socket:
        listener = open_socket(self._reservation.family)
        try:
            _take_both_families(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address.host, self.address.port))
            listener.listen(backlog)
        except OSError:
            listener.close()
            raise
        return listener

    def _accept(self) -> Acceptor:
        return Acceptor(
            loop=self._loop, listener=self._listener, admit=self._on_accept, emit=self._emit
        )

    def _on_accept(self, client: socket.socket, peer: Endpoint | None) -> None:
        if peer is not None and self.is_own(peer[1]):
            client.close()
            return
        self._admit(client, peer)


def _reserve(address: Address) -> tuple[socket.socket, str]:
    target = resolve(address)
    for remains_of_earlier_runs in (False, True):
        reservation = socket.socket(target.family, socket.SOCK_STREAM)
        _take_both_families(reservation)
        if remains_of_earlier_runs:
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reservation.bind(target.sockaddr)
        except OSError as error:
            reservation.close()
            if error.errno != errno.EADDRINUSE or remains_of_earlier_runs:
                raise _in_use(address, error) from error
        else:
            # Set after the bind: the reservation found the port free, the listener may join it.
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            return reservation, str(target.sockaddr[0])
    raise AssertionError("the second attempt returns or raises")


def _take_both_families(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def _in_use(address: Address, error: OSError) -> UsageError:
    return UsageError(
        f"The proxy cannot listen on {address}: {error.strerror}.",
        hint="Choose another address, or port 0 for a free port.",
    )

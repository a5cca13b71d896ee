"""requests' transport with bounds: nothing of the environment, a deadline, a size."""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response


class TooLongError(OSError):
    """The answer holds more bytes than the limit."""


class BoundedSocket(socket.socket):
    """Each read waits for `silence_s` at most, and all of them end at one instant.

    A read time limit alone starts anew with every byte, so a server that trickles would never
    be given up.
    """

    _ends_at_s: float | None
    _silence_s: float | None
    _left_bytes: int | None

    @classmethod
    def take(
        cls,
        other: socket.socket,
        *,
        ends_at_s: float | None,
        silence_s: float | None,
        size_bytes: int | None,
    ) -> Self:
        """Go on with the other's connection; `ends_at_s` is of the monotonic clock."""
        taken = cls(fileno=other.detach())
        taken._ends_at_s = ends_at_s
        taken._silence_s = silence_s
        taken._left_bytes = size_bytes
        taken._arm()
        return taken

    def sendall(self, *args: Any) -> None:
        """Send all of it before the deadline; raises TimeoutError."""
        self._arm()
        super().sendall(*args)

    def recv_into(self, *args: Any) -> int:
        """Read some; raises TimeoutError at a limit, TooLongError beyond the size."""
        self._arm()
        count = super().recv_into(*args)
        if self._left_bytes is not None:
            self._left_bytes -= count
            if self._left_bytes < 0:
                raise TooLongError("the answer is too long")
        return count

    def _arm(self) -> None:
        limits_s = [] if self._silence_s is None else [self._silence_s]
        if self._ends_at_s is not None:
            limits_s.append(self._ends_at_s - time.monotonic())
        if limits_s and min(limits_s) <= 0:
            raise TimeoutError("the time limit of the whole call has passed")
        self.settimeout(min(limits_s, default=None))


class _Connection(HTTPConnection):
    def __init__(self, bound: Callable[[socket.socket], BoundedSocket], **options: Any) -> None:
        super().__init__(**options)
        self._bound = bound

    def connect(self) -> None:
        super().connect()
        self.sock = self._bound(self.sock)


class BoundedAdapter(HTTPAdapter):
    """One call to one server, and the connection of it.

    Used without a requests session, which is where proxies, credentials and certificates of the
    environment are read, cookies are kept and redirects are followed. `within_s` bounds the
    whole call, `silence_s` each wait for more, `size_bytes` the answer; None is no bound.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        within_s: float | None,
        silence_s: float | None,
        size_bytes: int | None,
    ) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._ends_at_s = None if within_s is None else time.monotonic() + within_s
        self._silence_s = silence_s
        self._size_bytes = size_bytes
        self._socket: BoundedSocket | None = None
        self._response: Response | None = None
        self._pool = HTTPConnectionPool(host, port)
        connection: Any = partial(_Connection, self._bound)
        self._pool.ConnectionCls = connection

    @property
    def late(self) -> bool:
        """Whether the time of the whole call has passed."""
        return self._ends_at_s is not None and time.monotonic() >= self._ends_at_s

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """The one server's pool, whatever the request says."""
        del request, verify, proxies, cert
        return self._pool

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send it; the answer is closed with this adapter."""
        self._response = super().send(request, *args, **options)
        return self._response

    def interrupt(self) -> None:
        """End a read that waits, from any thread; it sees the end of the stream."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # ended already

    def close(self) -> None:
        """Close the connection, read to its end or not."""
        if self._response is not None:
            self._response.close()
        self._pool.close()
        super().close()

    def _bound(self, sock: socket.socket) -> BoundedSocket:
        self._socket = BoundedSocket.take(
            sock,
            ends_at_s=self._ends_at_s,
            silence_s=self._silence_s,
            size_bytes=self._size_bytes,
        )
        return self._socket

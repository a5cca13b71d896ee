"""Connections through a proxy; the test has both ends, blocking and with deadlines."""

from __future__ import annotations

import random
import socket
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.api import Proxy

LIMIT_S = 20.0
GRAIN_S = 0.002
"""Toxiproxy counts in whole milliseconds, and a clock's tick may fall between."""
QUIET_S = 0.15
"""How long a test listens for what must not come; a longer silence proves no more."""
ATTEMPTS = 5

Ending = Literal["end", "reset"]
Stream = Literal["upstream", "downstream"]
STREAMS: tuple[Stream, ...] = ("upstream", "downstream")

_LINGER_NOT = struct.pack("ii", 1, 0)


class End:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(LIMIT_S)
        if connection.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes; fails at an end before them, or after the limit."""
        return b"".join(data for _, data in self.arrivals(size))

    def arrivals(self, size: int) -> list[tuple[float, bytes]]:
        """So many bytes as they come: when (time.perf_counter) and what."""
        seen: list[tuple[float, bytes]] = []
        left = size
        while left:
            data = self.socket.recv(left)
            assert data, f"the stream ended {left} bytes early, after {seen!r}"
            seen.append((time.perf_counter(), data))
            left -= len(data)
        return seen

    def rest(self) -> tuple[bytes, Ending]:
        """All that still comes, and how the stream ends."""
        data = bytearray()
        while True:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return bytes(data), "reset"
            if not more:
                return bytes(data), "end"
            data += more

    def ending(self) -> Ending:
        """How the stream ends, if without a byte more."""
        data, ending = self.rest()
        assert not data, f"{len(data)} bytes came: {data[:80]!r}"
        return ending

    def is_quiet(self, for_s: float = QUIET_S) -> bool:
        """Whether neither data nor an end comes for so long; consumes nothing."""
        self.socket.settimeout(for_s)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(LIMIT_S)
        return False

    def end_writing(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.socket.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection from a client through the proxy to the upstream."""

    client: End
    server: End

    def ends(self, stream: Stream) -> tuple[End, End]:
        """The one that sends and the one that receives in that stream."""
        pair = (self.client, self.server)
        return pair if stream == "upstream" else (pair[1], pair[0])


class Wire:
    """An upstream and the connections to it; closes all of them when it ends."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._open = ExitStack()
        self._listener = self._open.enter_context(socket.socket(family))
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener.bind((host, 0))
        self._listener.listen(256)
        self._listener.settimeout(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def upstream(self) -> str:
        """The upstream's address, as a proxy wants it."""
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def connect(self, proxy: Proxy) -> End:
        """A client's end, whatever becomes of the other."""
        return self.keep(socket.create_connection(proxy.address, timeout=LIMIT_S))

    def attempt(self, proxy: Proxy) -> Ending:
        """How a connection ends that nothing comes through.

        A reset may come so soon that connect() itself reports it.
        """
        try:
            return self.connect(proxy).ending()
        except ConnectionResetError:
            return "reset"

    def accept(self) -> End:
        """The upstream's end of the next connection."""
        return self.keep(self._listener.accept()[0])

    def link(self, proxy: Proxy) -> Link:
        """A connection all the way. Make them one after the other to know who belongs to whom."""
        client = self.connect(proxy)
        return Link(client=client, server=self.accept())

    def keep(self, connection: socket.socket) -> End:
        return End(self._open.enter_context(connection))


def until(condition: Callable[[], bool], awaited: str) -> None:
    """Poll a server for what it reports only when asked."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"after {LIMIT_S:g} s not yet: {awaited}"
        time.sleep(0.005)


def least(measure: Callable[[], float], below: float) -> float:
    """The least of a few measurements, ending at the first below the bound.

    A busy machine is only late, so an upper bound holds if it is kept once.
    """
    measured = []
    for _ in range(ATTEMPTS):
        measured.append(measure())
        if measured[-1] < below:
            break
    return min(measured)


def pattern(size: int) -> bytes:
    """Bytes without repetition, so that lost, doubled or reordered bytes are noticed."""
    return random.Random(size).randbytes(size)  # noqa: S311  bytes to recognise, no secret


def unused_port() -> Iterator[int]:
    """A port that refuses, bound so that no one else gets it."""
    with socket.socket() as keeper:
        keeper.bind(("127.0.0.1", 0))
        yield int(keeper.getsockname()[1])


def needs_ipv6() -> None:
    """Skip if the loopback has no IPv6 address."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 loopback here: {error}")

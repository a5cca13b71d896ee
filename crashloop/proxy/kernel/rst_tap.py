"""The clients to which the kernel answered RST."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError
from crashloop.proxy.address import is_wildcard
from crashloop.proxy.kernel import bpf

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from crashloop.proxy.address import Address, Endpoint
    from crashloop.proxy.kernel.bpf import Instruction

LOOPBACK_INTERFACE = "lo"
_RECEIVE_BUFFER_BYTES = 8 << 20
"""Room for some 10000 refusals; without CAP_NET_ADMIN the kernel gives less."""

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_STATISTICS = struct.Struct("=II")
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33

_IPV4_PROTOCOL, _IPV6_NEXT_HEADER, _TCP = 9, 6, 6
_SEQUENCE, _FLAGS = 4, 13
_SYN_RST_ACK, _RST_ACK = 0x16, 0x14
_IPV4_DESTINATION, _IPV6_DESTINATION = slice(16, 20), slice(24, 40)
_SEGMENT = struct.Struct("!HHII")
_SNAPSHOT_BYTES = 128
_REMEMBERED = 1024


class RstTap:
    """Read each RST with which the kernel answers a SYN to one port of this machine.

    Only such a RST has ACK and a sequence number of zero (RFC 9293, 3.5.2), so resets of
    connections are not counted as refusals. Only outgoing packets are read, so one over loopback is
    read once; a copy that a bridge forwards has the same numbers and is skipped. `on_refusals` is
    called when there is something to `read`.

    Raises CapabilityError without the right to read raw packets (CAP_NET_RAW), and on systems other
    than Linux.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        on_refusals: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._recent: dict[bytes, None] = {}
        self._socket = _open(address)
        loop.add_reader(self._socket, on_refusals)

    def read(self) -> tuple[list[Endpoint], int]:
        """Return the clients refused since the last call, and how many more the buffer lost."""
        clients: list[Endpoint] = []
        while True:
            try:
                packet = self._socket.recv(_SNAPSHOT_BYTES)
            except BlockingIOError:
                break
            client = self._client(packet)
            if client is not None:
                clients.append(client)
        _, lost = _STATISTICS.unpack(
            self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        )
        return clients, lost

    async def close(self) -> None:
        """Close the socket in a thread: it takes the kernel 5 to 20 ms."""
        self._loop.remove_reader(self._socket)
        await self._loop.run_in_executor(None, self._socket.close)

    def _client(self, packet: bytes) -> Endpoint | None:
        is_ipv4 = packet[0] >> 4 == bpf.IPV4
        host = packet[_IPV4_DESTINATION if is_ipv4 else _IPV6_DESTINATION]
        start = (packet[0] & 0xF) * 4 if is_ipv4 else bpf.IPV6_HEADER_BYTES
        _, port, _, _ = _SEGMENT.unpack_from(packet, start)
        key = host + packet[start : start + _SEGMENT.size]
        if key in self._recent:
            return None
        self._recent[key] = None
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return str(ipaddress.ip_address(host)), port


def program(host: str, port: int) -> Iterator[Instruction]:
    """Pass the refusals that leave this address ("" for any); it starts at the IP header."""
    yield (bpf.LOAD_HALF, 0, 0, bpf.PACKET_TYPE)
    yield from bpf.require(_PACKET_OUTGOING)
    ipv4 = list(_of_ipv4(host))
    yield (bpf.LOAD_BYTE, 0, 0, 0)
    yield (bpf.SHIFT_RIGHT, 0, 0, 4)
    yield (bpf.IF_EQUAL, 1, 0, bpf.IPV4)
    yield (bpf.JUMP, 0, 0, len(ipv4) + 1)
    ipv6 = list(_of_ipv6(host))
    yield from ipv4
    yield (bpf.JUMP, 0, 0, len(ipv6))
    yield from ipv6
    yield (bpf.LOAD_HALF_X, 0, 0, 0)
    yield from bpf.require(port)
    yield (bpf.LOAD_BYTE_X, 0, 0, _FLAGS)
    yield (bpf.AND, 0, 0, _SYN_RST_ACK)
    yield from bpf.require(_RST_ACK)
    yield (bpf.LOAD_WORD_X, 0, 0, _SEQUENCE)
    yield from bpf.require(0)
    yield (bpf.RETURN, 0, 0, _SNAPSHOT_BYTES)


def _of_ipv4(host: str) -> Iterator[Instruction]:
    if ":" in host:
        yield (bpf.RETURN, 0, 0, 0)
    yield (bpf.LOAD_BYTE, 0, 0, _IPV4_PROTOCOL)
    yield from bpf.require(_TCP)
    yield from _from(host)
    yield (bpf.SET_X_IPV4_HEADER, 0, 0, 0)


def _of_ipv6(host: str) -> Iterator[Instruction]:
    yield from bpf.require(bpf.IPV6)
    if "." in host:
        yield (bpf.RETURN, 0, 0, 0)
    yield (bpf.LOAD_BYTE, 0, 0, _IPV6_NEXT_HEADER)
    yield from bpf.require(_TCP)
    yield from _from(host)
    yield (bpf.SET_X, 0, 0, bpf.IPV6_HEADER_BYTES)


def _from(host: str) -> Iterator[Instruction]:
    for load, word in bpf.source_words(host, 0) if host else ():
        yield load
        yield from bpf.require(word)


def _open(address: Address) -> socket.socket:
    if not sys.platform.startswith("linux"):
        raise _unable(f"{sys.platform} has no packet sockets")
    anywhere = is_wildcard(address.host)
    local = not anywhere and ipaddress.ip_address(address.host).is_loopback
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EACCES}:
            raise _unable(f"the kernel offers no packet sockets ({error.strerror})") from error
        raise _unable("this process lacks the right CAP_NET_RAW") from error
    try:
        tap.setblocking(False)
        _enlarge(tap)
        code = list(program("" if anywhere else address.host, address.port))
        bpf.load(tap, _SO_ATTACH_FILTER, code)
        tap.bind((LOOPBACK_INTERFACE if local else "", _ETH_P_ALL))
    except OSError as error:
        tap.close()
        raise _unable(f"the kernel declines to show packets ({error.strerror})") from error
    return tap


def _enlarge(tap: socket.socket) -> None:
    try:
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)


def _unable(reason: str) -> CapabilityError:
    return CapabilityError(
        f"Refusals cannot be counted here: {reason}, and the kernel does not report "
        "refusals to the listener.",
        hint="Give the process CAP_NET_RAW (root has it), or use accept_close with reset, which is "
        "counted exactly and needs no right.",
    )

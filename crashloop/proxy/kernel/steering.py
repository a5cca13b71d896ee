"""Steering each SYN to one of two listeners on one port: the open one, or the full one.

Listeners that share a port by SO_REUSEPORT form a group, numbered from zero in the order in which
they began to listen, and a classic BPF program may choose among them by number (socket(7),
SO_ATTACH_REUSEPORT_CBPF; Linux 4.5). That needs no right, and a new program takes the old one's
place in one step. A socket filter (SO_ATTACH_FILTER) would do as well, but newer kernels reserve it
on TCP sockets for CAP_NET_ADMIN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.proxy.kernel import bpf

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterator

    from crashloop.proxy.address import Endpoint
    from crashloop.proxy.kernel.bpf import Instruction

OPEN, FULL = 0, 1
MOST_SOURCES = 1000
"""How many sources one program may name; they also fit old kernels' limit of 20 KB."""

_SO_ATTACH_REUSEPORT_CBPF = 51
_FLAGS_OFFSET = 13
_SYN, _SYN_ACK = 0x02, 0x12


def steer(
    listener: socket.socket, sources: Collection[Endpoint] = (), *, to: int, others: int
) -> None:
    """Send each SYN of the sources to one listener of the group and every other SYN elsewhere.

    `to` and `others` are OPEN or FULL; if no such listener exists the kernel chooses among the
    rest. Segments that begin no connection go to OPEN. Raises OSError if the kernel declines.
    """
    bpf.load(listener, _SO_ATTACH_REUSEPORT_CBPF, list(program(sources, to=to, others=others)))


def program(sources: Collection[Endpoint], *, to: int, others: int) -> Iterator[Instruction]:
    """Yield the program of `steer`; the kernel starts it behind the TCP header."""
    assert len(sources) <= MOST_SOURCES, "one program cannot name that many"
    yield (bpf.LOAD_BYTE, 0, 0, bpf.NETWORK)
    yield (bpf.SHIFT_RIGHT, 0, 0, 4)
    yield (bpf.IF_EQUAL, 0, 2, bpf.IPV4)
    yield (bpf.SET_X_IPV4_HEADER, 0, 0, bpf.NETWORK)
    yield (bpf.JUMP, 0, 0, 1)
    yield (bpf.SET_X, 0, 0, bpf.IPV6_HEADER_BYTES)
    yield (bpf.LOAD_BYTE_X, 0, 0, bpf.NETWORK + _FLAGS_OFFSET)
    yield (bpf.AND, 0, 0, _SYN_ACK)
    yield from bpf.require(_SYN, otherwise=OPEN)
    ports: dict[str, set[int]] = {}
    for host, port in sources:
        ports.setdefault(host, set()).add(port)
    for host in sorted(ports):
        yield from _of_host(host, sorted(ports[host]), to)
    yield (bpf.RETURN, 0, 0, others)


def _of_host(host: str, ports: list[int], to: int) -> Iterator[Instruction]:
    choices = [(bpf.LOAD_HALF_X, 0, 0, bpf.NETWORK)]
    for port in ports:
        choices += [(bpf.IF_EQUAL, 0, 1, port), (bpf.RETURN, 0, 0, to)]
    words = list(bpf.source_words(host, bpf.NETWORK))
    for number, (load, word) in enumerate(words, 1):
        remaining = 3 * (len(words) - number)
        yield load
        yield (bpf.IF_EQUAL, 1, 0, word)
        yield (bpf.JUMP, 0, 0, remaining + len(choices))
    yield from choices

"""Classic BPF, the kernel's packet filter language: what the gate needs, and how to load it.

Offsets count from where the kernel starts the program; `NETWORK` + n is byte n of the IP header.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand: `struct sock_filter` of linux/filter.h."""

LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30
LOAD_WORD_X, LOAD_HALF_X, LOAD_BYTE_X = 0x40, 0x48, 0x50
"""The same at X + operand."""
SET_X, SET_X_IPV4_HEADER = 0x01, 0xB1
AND, SHIFT_RIGHT, JUMP, RETURN = 0x54, 0x74, 0x05, 0x06
IF_EQUAL = 0x15

PACKET_TYPE = 0xFFFFF000 + 4
NETWORK = 0xFFF00000
IPV4, IPV6 = 4, 6
IPV6_HEADER_BYTES = 40

_IPV4_SOURCE, _IPV6_SOURCE = 12, 8


def load(sock: socket.socket, option: int, program: Sequence[Instruction]) -> None:
    """Load a program into a socket by a SOL_SOCKET option; raises the kernel's OSError."""
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(
        socket.SOL_SOCKET, option, struct.pack("@HP", len(program), ctypes.addressof(buffer))
    )


def require(operand: int, otherwise: int = 0) -> Iterator[Instruction]:
    """Continue if the accumulator equals the operand, else return `otherwise`."""
    yield (IF_EQUAL, 1, 0, operand)
    yield (RETURN, 0, 0, otherwise)


def source_words(host: str, base: int) -> Iterator[tuple[Instruction, int]]:
    """Yield the loads of an IP packet's source address, each with the word that `host` has.

    `base` is the operand of the IP header's first byte.
    """
    packed = ipaddress.ip_address(host).packed
    start = _IPV4_SOURCE if len(packed) == 4 else _IPV6_SOURCE  # noqa: PLR2004  an IPv4 address
    for offset, (word,) in enumerate(struct.iter_unpack("!I", packed)):
        yield (LOAD_WORD, 0, 0, base + start + 4 * offset), word

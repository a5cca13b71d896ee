"""The kernel's socket tables, as text and as netlink messages."""

import errno
import os
import socket
import struct
import sys

import pytest

from crashloop.proxy.kernel.owner import owner_pid
from crashloop.proxy.kernel.sock_diag import (
    ESTABLISHED,
    SYN_SENT,
    SocketTable,
    parse_diag,
    parse_proc,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's tables")

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
TCP = HEADER + (
    "   0: 0100007F:DC25 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0"
    "        0 28753 2 00000000d609b823 100 0 0 10 0\n"
    "   3: 0100007F:B9FA 0100007F:DC25 02 00000001:00000000 01:00000015 00000000     0"
    "        0 28755 2 000000004bb8f5ae 100 0 0 10 -1\n"
)
TCP6 = HEADER + (
    "   0: 00000000000000000000000001000000:B9FA 00000000000000000000000001000000:DC25 02"
    " 00000001:00000000 01:00000064 00000000     0        0 77 2 000000004bb8f5ae 100 0 0 10 -1\n"
    "   1: 0000000000000000FFFF00000100007F:B9FB 0000000000000000FFFF00000100007F:DC25 01"
    " 00000000:00000000 00:00000000 00000000     0        0 78 2 000000004bb8f5ae 100 0 0 10 -1\n"
)
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="recorded on little-endian")


@little_endian
def test_a_waiting_syn_is_read_with_its_socket_and_its_retransmission() -> None:
    listening, waiting = parse_proc(TCP, socket.AF_INET)
    assert (listening.state, listening.remote_port, listening.retransmit_in_s) == (10, 0, None)
    assert (waiting.state, waiting.inode) == (SYN_SENT, 28755)
    assert (waiting.local_host, waiting.local_port) == ("127.0.0.1", 47610)
    assert (waiting.remote_host, waiting.remote_port) == ("127.0.0.1", 56357)
    assert waiting.retransmit_in_s == 0.21


@little_endian
def test_ipv6_and_mapped_addresses_are_read_in_their_usual_form() -> None:
    waiting, mapped = parse_proc(TCP6, socket.AF_INET6)
    assert (waiting.local_host, waiting.remote_host, waiting.inode) == ("::1", "::1", 77)
    assert waiting.retransmit_in_s == 1
    assert (mapped.local_host, mapped.state) == ("127.0.0.1", ESTABLISHED)


def test_an_empty_table_has_no_sockets() -> None:
    assert list(parse_proc(HEADER, socket.AF_INET)) == []


def test_a_refused_netlink_request_raises_the_kernels_error() -> None:
    message = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -errno.ENOENT)
    with pytest.raises(OSError, match="refused") as caught:
        list(parse_diag(message))
    assert caught.value.errno == errno.ENOENT


@linux
@pytest.mark.parametrize("netlink", [True, False])
def test_both_tables_see_the_same_connection_and_its_process(netlink: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            socket.create_connection(("127.0.0.1", port)) as client,
            SocketTable([socket.AF_INET]) as table,
        ):
            if not netlink and table._netlink is not None:
                table._netlink.close()
                table._netlink = None
            inode = os.fstat(client.fileno()).st_ino
            (found,) = [each for each in table.read(ESTABLISHED) if each.inode == inode]
            assert (found.local_port, found.remote_port) == (client.getsockname()[1], port)
            assert not [each for each in table.read(SYN_SENT) if each.inode == inode]
            assert owner_pid(inode, [os.getpid()]) == os.getpid()
            assert owner_pid(inode, []) is None

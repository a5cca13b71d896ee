from __future__ import annotations

import socket
import sys

import pytest

from crashloop.engines.ports import kept_port

HOST = "127.0.0.1"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a kept port is only a free one")
def test_a_kept_port_refuses_clients_and_yet_lets_its_server_listen() -> None:
    with kept_port(HOST) as port:
        with socket.socket() as client:
            assert client.connect_ex((HOST, port)) != 0
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((HOST, port))
        with socket.create_server((HOST, port)), socket.create_connection((HOST, port)) as client:
            assert client.getpeername() == (HOST, port)

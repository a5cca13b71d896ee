"""Fakeredis' TCP server as a program: prints when it listens, then serves until it is ended.

Run by path, as a child, so that its import (0.5 s) delays nothing else. It prints its version and
its readiness as a real redis-server does.

SIGUSR1 makes it behave like a Redis that was restarted and loads its data: it closes all
connections, and answers every command of new ones with -LOADING (only INFO is answered, with
`loading:1`). SIGUSR2 ends that; connections and data stay.
"""

from __future__ import annotations

import contextlib
import re
import select
import signal
import socket
import sys
import threading
from importlib.metadata import version
from typing import Any

from fakeredis import TcpFakeServer

POLL_S = 0.01
PEEK_BYTES = 1024 * 1024
LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
_PERSISTENCE = b"# Persistence\r\nloading:1\r\n"
INFO = b"$%d\r\n%b\r\n" % (len(_PERSISTENCE), _PERSISTENCE)
_ARRAY = re.compile(rb"\*(\d{1,7})\r\n")
_BULK = re.compile(rb"\$(\d{1,9})\r\n")


class CacheServer(TcpFakeServer):  # type: ignore[misc, unused-ignore]  # untyped in older versions
    """The same server on a reserved port, to which a whole pool may connect at once."""

    allow_reuse_address = True
    request_queue_size = 128  # socketserver's 5 would delay the sixth by a SYN retransmission
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address)
        self.loaded = threading.Event()
        self.loaded.set()
        self._open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection: first as a loading server, if it is one, then as fakeredis."""
        self._open.add(request)
        answer_while_loading(request, self.loaded)
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def begin_loading(self, *_: object) -> None:
        """Close all connections, and load from now on."""
        self.loaded.clear()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):  # its client has closed it
                connection.shutdown(socket.SHUT_RDWR)

    def end_loading(self, *_: object) -> None:
        """Serve again."""
        self.loaded.set()


def answer_while_loading(connection: socket.socket, loaded: threading.Event) -> None:
    """Answer every whole command; what is not whole when it is loaded stays in the socket."""
    while not loaded.is_set():
        readable, _, _ = select.select([connection], [], [], POLL_S)
        if not readable:
            continue
        received = connection.recv(PEEK_BYTES, socket.MSG_PEEK)
        if not received:
            return
        size = command_size(received)
        if size:
            command = connection.recv(size)
            connection.sendall(INFO if is_info(command) else LOADING)
        else:
            loaded.wait(POLL_S)


def command_size(received: bytes) -> int:
    """How many bytes the first command has; 0 while it is not whole.

    A command is an array of bulk strings; a line of anything else counts as one.
    """
    array = _ARRAY.match(received)
    if array is None:
        return received.find(b"\n") + 1
    at = array.end()
    for _ in range(int(array[1])):
        bulk = _BULK.match(received, at)
        if bulk is None:
            return 0
        at = bulk.end() + int(bulk[1]) + 2
    return at if at <= len(received) else 0


def is_info(command: bytes) -> bool:
    """Whether a command is INFO."""
    words = command.split()
    name = words[2:3] if command.startswith(b"*") else words[:1]
    return [word.upper() for word in name] == [b"INFO"]


def main(port: int) -> None:
    """Listen on 127.0.0.1:`port`."""
    with CacheServer(("127.0.0.1", port)) as server:
        signal.signal(signal.SIGUSR1, server.begin_loading)
        signal.signal(signal.SIGUSR2, server.end_loading)
        sys.stdout.write(f"fakeredis version={version('fakeredis')}\nReady to accept connections\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

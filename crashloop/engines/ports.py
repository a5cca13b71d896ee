"""A port on the loopback that is reserved until its server takes it."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


@contextmanager
def kept_port(host: str) -> Iterator[int]:
    """Reserve a free port for the length of the block.

    A bound socket that never listens reserves it: connecting is refused as on any free port, and a
    server that sets SO_REUSEADDR, as uvicorn, Postgres and Redis do, can still listen there (Linux;
    elsewhere the port is only free at the start).
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind((host, 0))
        port = int(keeper.getsockname()[1])
        if sys.platform != "linux":
            keeper.close()
        yield port

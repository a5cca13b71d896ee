"""Ports on the loopback: a free one, and one that stays ours until its server takes it."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free on `host` a moment ago; whoever uses it must expect a race."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def kept_port(host: str) -> Iterator[int]:
    """A free port that nobody else is given for the length of the block.

    A bound socket that never listens keeps it: connecting is refused as on any free port, and a
    server that sets SO_REUSEADDR, as uvicorn does, can listen there all the same (Linux; elsewhere
    the port is only free at the start).
    """
    if sys.platform != "linux":
        yield free_port(host)
        return
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind((host, 0))
        yield int(keeper.getsockname()[1])

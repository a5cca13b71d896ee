"""Fakeredis' TCP server as a program: prints when it listens, then serves until it is ended.

Run by path, as a child, so that its import (0.5 s) delays nothing else. It prints its version and
its readiness as a real redis-server does.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from fakeredis import TcpFakeServer


class CacheServer(TcpFakeServer):  # type: ignore[misc, unused-ignore]  # untyped in older versions
    """The same server on a reserved port, to which a whole pool may connect at once."""

    allow_reuse_address = True
    request_queue_size = 128  # socketserver's 5 would delay the sixth by a SYN retransmission
    daemon_threads = True


def main(port: int) -> None:
    """Listen on 127.0.0.1:`port`."""
    with CacheServer(("127.0.0.1", port)) as server:
        sys.stdout.write(f"fakeredis version={version('fakeredis')}\nReady to accept connections\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

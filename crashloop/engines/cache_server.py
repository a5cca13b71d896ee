"""Fakeredis' TCP server as a program: says where it listens, then serves until it is ended.

Run by path, as a child of its own, so that its import (0.5 s) holds nobody up. The only line on
standard output that starts with `{` is `{"port": ..., "version": ...}`, the version being the
package's.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

from fakeredis import TcpFakeServer


class CacheServer(TcpFakeServer):  # type: ignore[misc, unused-ignore]  # untyped in older versions
    """The same server with room for an app's whole pool to connect at once."""

    request_queue_size = 128  # socketserver's 5 would delay the sixth by a SYN retransmission
    daemon_threads = True


def main(port: int) -> None:
    """Listen on 127.0.0.1:`port`, or on a free port when it is 0."""
    with CacheServer(("127.0.0.1", port)) as server:
        facts = {"port": server.server_address[1], "version": version("fakeredis")}
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

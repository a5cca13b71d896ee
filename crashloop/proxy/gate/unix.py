"""A Unix socket that accepts or refuses, while its file stays in place."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError
from crashloop.proxy.address import resolve
from crashloop.proxy.connect import observe, open_socket
from crashloop.proxy.gate.acceptor import BACKLOG, Acceptor

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.proxy.address import Address, Endpoint
    from crashloop.proxy.events import Emit


class UnixGate:
    """Listens on a path that must not exist yet, from construction to `close()`, which removes it.

    To refuse, the listening socket is closed and its file left: the kernel answers ECONNREFUSED.
    To reopen, a new socket takes the file's place in one step (rename).
    """

    def __init__(
        self,
        *,
        address: Address,
        admit: Callable[[socket.socket, Endpoint | None], None],
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._admit = admit
        self._emit = emit
        self.address = address
        self._path = Path(address.path)
        self._target = resolve(address)
        if os.path.lexists(self._path):
            raise UsageError(
                f"{address} exists already.",
                hint="Remove it if no process uses it, or choose another path.",
            )
        self._acceptor = self._listen(self._path)

    def start(self) -> None:
        """Accept from now on."""
        self._acceptor.resume()

    def feed(self) -> None:
        """Retry accepting: a descriptor may be free again."""
        self._acceptor.feed()

    def refuse(self) -> None:
        """Answer ECONNREFUSED; clients that are still in the accept queue are reset."""
        self._acceptor.close()

    def reopen(self) -> None:
        """Accept again after `refuse()`, on the same path."""
        last = "-" if self._path.name.endswith("~") else "~"
        replacement = self._path.with_name(f"{self._path.name[:-1]}{last}")
        self._acceptor = self._listen(replacement)
        try:
            replacement.rename(self._path)
        except OSError as error:
            replacement.unlink(missing_ok=True)
            raise HarnessError(
                f"The socket {self.address} could not be put back: {error}.",
                hint="Did something remove its folder during the run?",
            ) from error
        self._acceptor.resume()

    async def observe(self, limit_s: float) -> str:
        """Probe the socket as a client would; returns what `connect.observe` does."""
        with open_socket(socket.AF_UNIX) as probe:
            return await observe(probe, self._target, limit_s)

    def close(self) -> None:
        """Stop, and remove the file if it is still ours."""
        self._acceptor.close()
        with suppress(FileNotFoundError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    def _listen(self, path: Path) -> Acceptor:
        listener = open_socket(socket.AF_UNIX)
        try:
            listener.bind(str(path))
            self._inode = path.lstat().st_ino
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise UsageError(
                f"The proxy cannot listen on unix:{path}: {error.strerror}.",
                hint="The folder must exist and be writable, and the path be free.",
            ) from error
        return Acceptor(loop=self._loop, listener=listener, admit=self._admit, emit=self._emit)

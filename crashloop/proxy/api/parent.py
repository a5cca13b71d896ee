"""The end of standard input, which shows that the parent has ended."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STDIN = 0
_READ_BYTES = 65536


def on_end_of_input(then: Callable[[], None], *, descriptor: int = STDIN) -> None:
    """Call `then` in this loop when `descriptor` reaches its end; what it carries is dropped.

    A thread reads it, because not every file can be polled; it does not keep the process alive.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError):  # closed, or not readable: no parent holds it open
            while os.read(descriptor, _READ_BYTES):
                pass
        with suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(then)

    threading.Thread(target=read, name="end of input", daemon=True).start()

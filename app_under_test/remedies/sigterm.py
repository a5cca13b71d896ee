"""SIGTERM during start-up: cancel the start, close what is open and let the process end.

Until the lifespan has started, uvicorn's handler only notes the signal (`Server.handle_exit`), so
that a start which hangs goes on until its limit or until the platform's SIGKILL. estuary/flow pull
3114 reports an app whose every scale-down was a hard kill.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from types import FrameType

    from app_under_test.context import Context


class Sigterm(Remedy):
    """Cancels the task that made it, which is the start-up, when SIGTERM comes.

    The process then ends by the signal, as it does after serving: uvicorn would end with 3, which
    a platform takes for a start-up that failed. The server's own handler is called, too, and is
    back in place when start-up has ended.
    """

    def __init__(self, context: Context) -> None:
        self._log = context.log
        self._start = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._came = False
        self._is_on = threading.current_thread() is threading.main_thread()
        if self._is_on:
            self._servers = signal.signal(signal.SIGTERM, self._received)
        else:
            self._log.emit(
                "remedy.signal_unavailable",
                "SIGTERM cannot be honoured: the app does not run in the main thread",
                severity="WARNING",
                signal="SIGTERM",
            )

    def serve(self) -> None:
        """Leave the signal to the server from now on."""
        self._restore()

    async def close(self) -> None:
        """Leave the signal to the server from now on."""
        self._restore()

    def cancelled(self) -> None:
        """End the process by the signal, if that was what cancelled start-up."""
        if self._came:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
            # The kernel spares process 1 of a container: give the status that a shell would.
            os._exit(128 + signal.SIGTERM)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if callable(self._servers):
            self._servers(number, frame)
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._is_on and self._start is not None:
            self._restore()  # A second signal must not cancel the closing.
            self._came = True
            self._log.emit(
                "remedy.signal_honoured",
                "SIGTERM came during start-up, which is cancelled",
                severity="WARNING",
                signal="SIGTERM",
            )
            self._start.cancel()

    def _restore(self) -> None:
        if self._is_on:
            self._is_on = False
            signal.signal(signal.SIGTERM, self._servers)

"""Run a coroutine so that SIGINT, SIGTERM or SIGHUP ends it cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

TIDY_BOUND_S = 4.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNAL_STATUS = 128
_CHUNK = 4096


class Interrupted(Exception):  # noqa: N818  an end, not an error
    """A signal ended the work; `exit_status` is 128 plus its number."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number
        self.exit_status = _SIGNAL_STATUS + number


def run(
    work: Coroutine[Any, Any, T],
    *,
    on_abandon: Callable[[signal.Signals, int], None],
    bound_s: float = TIDY_BOUND_S,
) -> T:
    """Run `work` to its end in a new event loop; return its result.

    The first signal cancels it, and Interrupted is raised when it has ended. A second signal, or
    `bound_s` seconds, calls `on_abandon` with signal and exit status, and ends this process at
    once: the run's watcher tidies up. A signal that was ignored when this process started stays
    ignored. An exception in one of the loop's callbacks ends the work too and is raised.
    """
    session = _Session(on_abandon, bound_s)
    try:
        return asyncio.run(session.run(work))
    finally:
        session.close()


def end_with_stdin() -> None:
    """End this process as SIGTERM does when its standard input closes.

    That is how a process that another one has started notices that the other one was killed.
    """

    def read() -> None:
        with contextlib.suppress(OSError):  # it was closed before
            while os.read(0, _CHUNK):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, name="stdin", daemon=True).start()


class _Session:
    def __init__(self, on_abandon: Callable[[signal.Signals, int], None], bound_s: float) -> None:
        self._on_abandon = on_abandon
        self._bound_s = bound_s
        self._received: signal.Signals | None = None
        self._failure: BaseException | None = None
        self._timer: threading.Timer | None = None
        self._task: asyncio.Task[Any]

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` under the signals."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_exception)
        task: asyncio.Task[T] = loop.create_task(work)
        self._task = task
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if self._received is not None:
            if not task.cancelled():
                task.exception()  # retrieved, so that only the interruption is reported
            raise Interrupted(self._received)
        if self._failure is not None:
            if not task.cancelled():
                task.exception()
            raise _as_ours(self._failure)
        return task.result()

    def _on_signal(self, number: signal.Signals) -> None:
        if self._received is not None:
            self._abandon(number)
        self._received = number
        self._timer = threading.Timer(self._bound_s, self._abandon, [number])
        self._timer.daemon = True
        self._timer.start()
        self._task.cancel()

    def close(self) -> None:
        """Stop the timer: the work has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _abandon(self, number: signal.Signals) -> NoReturn:
        exit_status = _SIGNAL_STATUS + number
        try:
            self._on_abandon(number, exit_status)
        finally:
            os._exit(exit_status)

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "handle" in context and isinstance(error, BaseException):
            if self._failure is None:
                self._failure = error
                self._task.cancel()
        else:
            loop.default_exception_handler(context)


def _as_ours(error: BaseException) -> BaseException:
    """Convert an OSError to a HarnessError; return any other error unchanged."""
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return HarnessError(
            f"the run could not continue: {error.strerror or error}{where}",
            hint="the trace up to here is kept; see whether the disk is full",
        )
    return error

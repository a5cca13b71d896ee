"""Code from anywhere, while it is loaded: it ends in time, and standard output stays ours."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any, Self

from crashloop.report.document import printed_apart

if TYPE_CHECKING:
    from types import FrameType

BOUND_S = 20.0
"""Chosen: what takes longer to import than the largest packages do on a slow disk, hangs."""
_AGAIN_S = 1.0
"""For code that goes on after the first end."""


class TookTooLong(BaseException):
    """The code had not ended within the bound; no `except Exception` of its own stops that."""


class Contained:
    """Code runs within: what it prints goes to standard error, and TookTooLong ends it in time.

    The main thread alone can be ended. `is_interrupted`: the user has pressed Ctrl-C meanwhile,
    which always ends in KeyboardInterrupt; any other is the code's own.
    """

    def __init__(self) -> None:
        self.is_interrupted = False
        self._is_over = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(printed_apart())
            if threading.current_thread() is threading.main_thread():
                stack.callback(_set_again, *signal.setitimer(signal.ITIMER_REAL, 0.0))
                self._handle(stack, signal.SIGINT, self._on_interrupt)
                self._handle(stack, signal.SIGALRM, self._on_alarm)
                stack.callback(signal.setitimer, signal.ITIMER_REAL, 0.0)
                signal.setitimer(signal.ITIMER_REAL, BOUND_S, _AGAIN_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._stack.close()
        if self.is_interrupted:
            raise KeyboardInterrupt

    def _handle(self, stack: contextlib.ExitStack, number: signal.Signals, handler: Any) -> None:
        before = signal.getsignal(number)
        if before is not None and not (number == signal.SIGINT and before is signal.SIG_IGN):
            signal.signal(number, handler)
            stack.callback(signal.signal, number, before)

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.is_interrupted = True
        if not self._is_over:
            raise KeyboardInterrupt

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_over:
            raise TookTooLong(f"it had not been loaded after {BOUND_S:g} s")


def _set_again(left_s: float, every_s: float) -> None:
    """Let a timer go on that was stopped, as pytest-timeout has one."""
    signal.setitimer(signal.ITIMER_REAL, left_s, every_s)

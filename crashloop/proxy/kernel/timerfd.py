"""Linux's timer as a file descriptor: from Python 3.13 on, or else from the C library."""

from __future__ import annotations

import ctypes
import os
import sys
import time

from crashloop.clock import NS_PER_S

if sys.version_info >= (3, 13):

    def timerfd_create() -> int:
        """Open a non-blocking timer on the monotonic clock; raises OSError."""
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def timerfd_set(descriptor: int, due_ns: int) -> None:
        """Expire once at this instant; at once if it has passed."""
        os.timerfd_settime_ns(descriptor, flags=os.TFD_TIMER_ABSTIME, initial=max(due_ns, 1))

else:
    _TFD_TIMER_ABSTIME = 1

    class _TimeSpec(ctypes.Structure):
        _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))

    class _TimerSpec(ctypes.Structure):
        _fields_ = (("it_interval", _TimeSpec), ("it_value", _TimeSpec))

    _libc = ctypes.CDLL(None, use_errno=True)

    def timerfd_create() -> int:
        """Open a non-blocking timer on the monotonic clock; raises OSError."""
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        descriptor: int = _libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return descriptor

    def timerfd_set(descriptor: int, due_ns: int) -> None:
        """Expire once at this instant; at once if it has passed."""
        seconds, nanoseconds = divmod(max(due_ns, 1), NS_PER_S)
        spec = _TimerSpec(_TimeSpec(0, 0), _TimeSpec(seconds, nanoseconds))
        if _libc.timerfd_settime(descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

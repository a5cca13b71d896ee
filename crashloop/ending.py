"""Record how a run ended early: it failed, was refused, or was interrupted."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, CrashloopError, UsageError

if TYPE_CHECKING:
    from crashloop.trace.recorder import Recorder

MAX_TRACEBACK_CHARS = 8000
WORLD_HINT = "the trace up to here is kept"
BUG_HINT = "this is a fault of crashloop: report it, with the trace"


def first_failure(error: BaseException) -> BaseException:
    """The first error of a group that is not a refusal, else the first refusal."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [first_failure(each) for each in error.exceptions]
    failures = [leaf for leaf in leaves if not isinstance(leaf, CapabilityError | UsageError)]
    return (failures or leaves)[0]


def record_failure(error: BaseException, recorder: Recorder) -> str:
    """Emit what ended the run early; returns how it ended, in a word."""
    if isinstance(error, asyncio.CancelledError):
        recorder.emit("harness", "run.interrupted")
        return "interrupted"
    if isinstance(error, CrashloopError):
        data = {"message": error.message, "hint": error.hint}
        if isinstance(error, CapabilityError | UsageError):
            recorder.emit("harness", "run.refused", data)
            return "refused"
    else:
        data = {"message": f"{type(error).__name__}: {error}", "hint": WORLD_HINT}
        if not isinstance(error, OSError):
            written = "".join(traceback.format_exception(error))
            data |= {"hint": BUG_HINT, "traceback": written[-MAX_TRACEBACK_CHARS:]}
    recorder.emit("harness", "harness.failed", data)
    return "failed"

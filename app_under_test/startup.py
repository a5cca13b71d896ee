"""The start-up sequence: every phase in order, each under its limit, and the shutdown."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_under_test import remedies
from app_under_test.failure import describe, stack_trace, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app_under_test.context import Context
    from app_under_test.log import Log
    from app_under_test.phases import Phase
    from app_under_test.settings import SettingsError
    from app_under_test.state import State

NANOSECONDS = 1_000_000_000

FAILED_WHILE_LISTENING = 1
"""The exit code of a process that listened first and could not start; uvicorn's own is 3."""


class DeterministicStartupError(Exception):
    """A critical phase failed. Raised out of the lifespan, so that the server ends the process."""

    def __init__(self, phase: str, cause: BaseException) -> None:
        super().__init__(f"phase {phase} failed: {summary(cause)}")
        self.phase = phase
        self.cause = cause


def announce(log: Log, *, module: str) -> None:
    """Log that start-up begins: which app, which server, which Python, from which folder."""
    log.emit(
        "startup.started",
        f"Start-up of {module} begins",
        app=module,
        server=_server(),
        python=platform.python_version(),
        app_path=str(Path(__file__).resolve().parent),
    )


async def start(context: Context, phases: Sequence[Phase]) -> None:
    """Run the phases in order.

    Raises DeterministicStartupError, with its cause, when a critical phase fails and no remedy
    covers it. What the phases had opened is closed first, also if start-up is cancelled.
    """
    began_ns = time.monotonic_ns()
    context.states.update((phase.name, "pending") for phase in phases)
    try:
        for phase in phases:
            await _run(context, phase)
    except DeterministicStartupError as error:
        _log_failure(context.log, error, began_ns)
        await close(context)
        raise
    except asyncio.CancelledError:
        duration_s = _since_s(began_ns)
        message = f"Start-up was cancelled after {duration_s:.3f} s"
        context.log.emit("startup.cancelled", message, severity="WARNING", duration_s=duration_s)
        await close(context)
        for remedy in context.remedies:
            remedy.cancelled()
        raise
    duration_s = _since_s(began_ns)
    degraded = context.degraded
    if degraded:
        context.log.emit(
            "startup.degraded",
            f"Start-up goes without: {', '.join(degraded)}",
            severity="WARNING",
            degraded=degraded,
            duration_s=duration_s,
        )
    context.log.emit(
        "startup.completed",
        f"Start-up is complete after {duration_s:.3f} s; the app serves",
        degraded=degraded,
        duration_s=duration_s,
    )
    for remedy in context.remedies:
        remedy.serve()
    context.started.set()


async def start_or_exit(context: Context, phases: Sequence[Phase]) -> None:
    """Run the phases while the server listens already; end the process if start-up fails.

    Requests that wait for the start are cut off then.
    """
    try:
        await start(context, phases)
    except Exception as error:  # noqa: BLE001  nobody waits for this task, so it ends the process
        sys.stderr.write(f"{stack_trace(error)}\n")
        sys.stderr.flush()
        # The server has no way to end with a code. What the phases had opened is closed.
        os._exit(FAILED_WHILE_LISTENING)


def refuse(log: Log, error: SettingsError) -> DeterministicStartupError:
    """Log that phase init failed for its settings, and return the error to raise."""
    began_ns = time.monotonic_ns()
    log.emit("phase.started", "Phase init begins", phase="init", limit_s=None, critical=True)
    log.emit(
        "phase.failed",
        f"Phase init failed. {error}",
        severity="ERROR",
        phase="init",
        duration_s=_since_s(began_ns),
        limit_s=None,
        critical=True,
        error=describe(error),
    )
    failure = DeterministicStartupError("init", error)
    failure.__cause__ = error
    _log_failure(log, failure, began_ns)
    return failure


async def close(context: Context) -> None:
    """Close what the phases opened, last opened first; safe after a start-up that stopped early."""
    for remedy in context.remedies:
        await remedy.close()
    if context.cache is not None:
        await context.cache.close()
    if context.database is not None:
        await context.database.close()


async def shut_down(context: Context, starting: asyncio.Task[None] | None = None) -> None:
    """Close everything after serving, with a line before and after; cancel a start that runs."""
    began_ns = time.monotonic_ns()
    context.ready = False
    context.log.emit("shutdown.started", "Shutdown begins")
    if starting is not None:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    await close(context)
    context.log.emit("shutdown.completed", "Shutdown is complete", duration_s=_since_s(began_ns))


async def _run(context: Context, phase: Phase) -> None:
    """Run one phase with the remedies' hooks.

    Raises DeterministicStartupError if the phase failed and nothing covers that.
    """
    name, limit_s = phase.name, context.settings.phase_limit_s(phase.name)
    for remedy in context.remedies:
        await remedy.before(name)
    for remedy in context.remedies:
        limit_s = remedy.limit_s(name, limit_s)
    critical = phase.critical or name in context.settings.also_critical
    fields: dict[str, Any] = {"limit_s": limit_s, "critical": critical}
    if (address := context.settings.address_of(name)) is not None:
        fields["address"] = address
    context.log.emit("phase.started", f"Phase {name} begins", phase=name, **fields)
    began_ns = time.monotonic_ns()
    error: Exception | None = None
    try:
        async with asyncio.timeout(limit_s):
            await remedies.around(context, name, partial(phase.run, context))()
    except Exception as caught:  # noqa: BLE001  logged with its chain, and ends start-up below
        error = caught
    fields["duration_s"] = duration_s = _since_s(began_ns)
    context.states[name] = _state(context, name, error, critical=critical)
    _log_end(context, name, error, fields)
    for remedy in context.remedies:
        await remedy.after(name, duration_s, error)
    if error is not None and context.states[name] == "failed":
        raise DeterministicStartupError(name, error) from error


def _state(context: Context, phase: str, error: Exception | None, *, critical: bool) -> State:
    if error is None:
        return "complete"
    # Every remedy is asked, since one that covers the error remembers it.
    covered = [remedy.covers(phase, error) for remedy in context.remedies]
    return "failed" if critical and not any(covered) else "degraded"


def _log_end(context: Context, phase: str, error: Exception | None, fields: dict[str, Any]) -> None:
    log = context.log
    if error is None:
        message = f"Phase {phase} is complete after {fields['duration_s']:.3f} s"
        log.emit("phase.completed", message, phase=phase, **fields)
        return
    fields = {**fields, "error": describe(error)}
    if context.states[phase] == "failed":
        message = f"Phase {phase} failed: {summary(error)}"
        log.emit("phase.failed", message, severity="ERROR", phase=phase, **fields)
    else:
        message = f"Start-up continues without phase {phase}: {summary(error)}"
        fields["reason"] = str(error) or type(error).__name__
        log.emit("phase.degraded", message, severity="WARNING", phase=phase, **fields)


def _log_failure(log: Log, error: DeterministicStartupError, began_ns: int) -> None:
    log.emit(
        "startup.failed",
        f"Start-up failed in phase {error.phase}: {summary(error.cause)}",
        severity="ERROR",
        phase=error.phase,
        duration_s=_since_s(began_ns),
        error=describe(error),
        stack_trace=stack_trace(error),
    )


def _since_s(began_ns: int) -> float:
    return round((time.monotonic_ns() - began_ns) / NANOSECONDS, 6)


def _server() -> str:
    """Name the server that runs the app; gunicorn may run uvicorn's worker."""
    names = ("gunicorn", "uvicorn", "hypercorn", "granian", "daphne")
    for name in names:
        if (module := sys.modules.get(name)) is not None:
            return f"{name} {getattr(module, '__version__', 'unknown')}"
    return "unknown"

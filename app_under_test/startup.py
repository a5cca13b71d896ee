"""The start-up sequence: every phase in order, each under its limit, and the shutdown."""

from __future__ import annotations

import asyncio
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_under_test.failure import describe, stack_trace, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app_under_test.context import Context
    from app_under_test.log import Log
    from app_under_test.phases import Phase
    from app_under_test.settings import SettingsError

NANOSECONDS = 1_000_000_000


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
    covers it; what the phases had opened is closed before.
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
    if context.degraded_start is not None and context.chat is not None:
        assert context.database is not None, "a chat before phase database"
        context.degraded_start.begin(context.database, context.chat.store)


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
    if context.degraded_start is not None:
        await context.degraded_start.close()
    if context.cache is not None:
        await context.cache.close()
    if context.database is not None:
        await context.database.close()


async def shut_down(context: Context) -> None:
    """Close everything after serving, with a line before and after."""
    began_ns = time.monotonic_ns()
    context.ready = False
    context.log.emit("shutdown.started", "Shutdown begins")
    await close(context)
    context.log.emit("shutdown.completed", "Shutdown is complete", duration_s=_since_s(began_ns))


async def _run(context: Context, phase: Phase) -> None:
    log, limit_s = context.log, context.settings.phase_limit_s(phase.name)
    critical = phase.critical or phase.name in context.settings.also_critical
    fields: dict[str, Any] = {"limit_s": limit_s, "critical": critical}
    if (address := context.settings.address_of(phase.name)) is not None:
        fields["address"] = address
    log.emit("phase.started", f"Phase {phase.name} begins", phase=phase.name, **fields)
    began_ns = time.monotonic_ns()
    try:
        async with asyncio.timeout(limit_s):
            await _work(context, phase)
    except Exception as error:
        fields |= {"duration_s": _since_s(began_ns), "error": describe(error)}
        remedy = context.degraded_start
        covered = remedy is not None and remedy.covers(phase.name, error)
        if critical and not covered:
            context.states[phase.name] = "failed"
            message = f"Phase {phase.name} failed: {summary(error)}"
            log.emit("phase.failed", message, severity="ERROR", phase=phase.name, **fields)
            raise DeterministicStartupError(phase.name, error) from error
        context.states[phase.name] = "degraded"
        message = f"Start-up continues without phase {phase.name}: {summary(error)}"
        fields["reason"] = str(error) or type(error).__name__
        log.emit("phase.degraded", message, severity="WARNING", phase=phase.name, **fields)
        return
    context.states[phase.name] = "complete"
    duration_s = _since_s(began_ns)
    message = f"Phase {phase.name} is complete after {duration_s:.3f} s"
    log.emit("phase.completed", message, phase=phase.name, duration_s=duration_s, **fields)


async def _work(context: Context, phase: Phase) -> None:
    around = context.around.get(phase.name)
    await (phase.run(context) if around is None else around(partial(phase.run, context)))


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

"""Degraded phases: start without the cache and the services, and open them in the background."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import TYPE_CHECKING

from app_under_test.failure import describe, is_transient, links, summary
from app_under_test.remedies import jitter
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context
    from app_under_test.remedy import Work

PHASES = ("cache", "services")


class DegradedPhases(Remedy):
    """Gives each of these phases `degraded_phases_wait_s`, and then goes on without it.

    Only a transient error is covered. The phase is tried again in the background, each time under
    its own limit, with pauses as of a retry; until it is open its state is degraded.
    """

    def __init__(self, context: Context) -> None:
        self._settings, self._log, self._states = context.settings, context.log, context.states
        self._draw = random.Random(context.settings.jitter_seed)  # noqa: S311  jitter, not a secret
        self._works: dict[str, Work] = {}
        self._late: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def around(self, phase: str, work: Work) -> None:
        """Do the phase's work; one that may come later has a short time now."""
        if phase not in PHASES:
            await work()
            return
        self._works[phase] = work
        async with asyncio.timeout(self._settings.degraded_phases_wait_s):
            await work()

    def covers(self, phase: str, error: Exception) -> bool:
        """Return whether the phase may come later, and remember it."""
        covered = phase in self._works and may_come_later(error)
        if covered:
            self._late.append(phase)
        return covered

    def serve(self) -> None:
        """Begin to open in the background what is not there."""
        self._tasks = [
            asyncio.create_task(self._open(phase), name=f"degraded-phase-{phase}")
            for phase in self._late
        ]

    async def close(self) -> None:
        """End the background tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, phase: str) -> None:
        settings, began_s, tries = self._settings, time.monotonic(), 0
        while True:
            tries += 1
            first_s, longest_s = settings.retry_first_pause_s, settings.retry_longest_pause_s
            await asyncio.sleep(
                jitter.pause_s(self._draw, tries, first_s=first_s, longest_s=longest_s)
            )
            try:
                async with asyncio.timeout(settings.phase_limit_s(phase)):
                    await self._works[phase]()
            except Exception as error:  # noqa: BLE001  judged below, logged with its chain
                if not self._try_again(phase, error, tries):
                    return
            else:
                break
        self._states[phase] = "complete"
        self._log.emit(
            "remedy.phase_opened",
            f"Phase {phase} is complete, {tries} tries after start-up went on without it",
            phase=phase,
            tries=tries,
            after_s=round(time.monotonic() - began_s, 6),
        )

    def _try_again(self, phase: str, error: Exception, tries: int) -> bool:
        again = may_come_later(error)
        critical = phase != "cache" or phase in self._settings.also_critical
        failed = critical and not again
        if failed:
            self._states[phase] = "failed"
        self._log.emit(
            "phase.failed" if failed else "remedy.phase_not_opened",
            f"Try {tries} to open phase {phase} in the background failed"
            f"{'' if again else ', waiting cannot help'}: {summary(error)}",
            severity="WARNING" if again else "ERROR",
            phase=phase,
            tries=tries,
            limit_s=self._settings.phase_limit_s(phase),
            critical=critical,
            error=describe(error),
        )
        return again


def may_come_later(error: Exception) -> bool:
    """Whether a phase that failed with the error may pass later.

    That is a transient error, or one that redis-py calls a connection error or a time-out, -LOADING
    included, but for a wrong password.
    """
    redis = sys.modules.get("redis.exceptions")
    if redis is None or is_transient(error):
        return is_transient(error)
    refusals = (redis.AuthenticationError, redis.AuthorizationError)
    return any(
        isinstance(link, (redis.ConnectionError, redis.TimeoutError))
        and not isinstance(link, refusals)
        for link in links(error)
    )

"""Retry: repeat the work of a phase while its errors are transient, with a growing random pause."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from app_under_test.failure import describe, is_transient, summary
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context
    from app_under_test.remedy import Work

PHASE = "database"

MAX_DOUBLINGS = 20


class Retry(Remedy):
    """Does the real work of phase database again until it passes, for at most `remedy_retry_s`.

    An error that waiting cannot fix is raised at once, and the last one when the time is over.
    Each pause is drawn from 0 to a bound that doubles with each try (full jitter).
    """

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self._log = context.log
        self._within_s = settings.remedy_retry_s
        self._first_s = settings.retry_first_pause_s
        self._longest_s = settings.retry_longest_pause_s
        self._address = settings.database_address
        self._draw = random.Random(settings.jitter_seed)  # noqa: S311  jitter, not a secret

    async def around(self, phase: str, work: Work) -> None:
        """Do the work until it passes; raises its error otherwise."""
        await (self._retried(work) if phase == PHASE else work())

    async def _retried(self, work: Work) -> None:
        began_s, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                await work()
            except Exception as error:
                if not is_transient(error):
                    raise
                pause_s = self._draw.uniform(0.0, self._highest_s(tries))
                is_over = time.monotonic() - began_s + pause_s > self._within_s
                self._log_failure(error, tries, None if is_over else pause_s)
                if is_over:
                    raise
                await asyncio.sleep(pause_s)
            else:
                break
        if tries > 1:
            self._log_success(tries, time.monotonic() - began_s)

    def _highest_s(self, tries: int) -> float:
        doublings = min(tries - 1, MAX_DOUBLINGS)
        return min(self._longest_s, self._first_s * 2.0**doublings)

    def _log_failure(self, error: Exception, tries: int, pause_s: float | None) -> None:
        after = "giving up" if pause_s is None else f"again in {pause_s:.3f} s"
        self._log.emit(
            "database.retry_failed",
            f"Try {tries} to open the database failed, {after}: {summary(error)}",
            severity="WARNING",
            phase="database",
            tries=tries,
            pause_s=pause_s,
            within_s=self._within_s,
            error=describe(error),
            address=self._address,
        )

    def _log_success(self, tries: int, after_s: float) -> None:
        self._log.emit(
            "database.retried",
            f"Try {tries} to open the database was the one that passed",
            phase="database",
            tries=tries,
            after_s=round(after_s, 6),
            address=self._address,
        )

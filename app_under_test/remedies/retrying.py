"""Do work again while its errors are transient, within a budget, with a growing random pause."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING

from app_under_test.failure import describe, is_transient, summary
from app_under_test.remedies import jitter

if TYPE_CHECKING:
    from app_under_test.context import Context
    from app_under_test.remedy import Work

PHASE = "database"


class Retrying:
    """Does the work of phase database, or a part of it, until it passes, for at most `within_s`.

    Each try has the limit `retry_attempt_s`, and no try outlasts the budget. `what` names the work
    in the log.
    """

    def __init__(self, context: Context, *, what: str, within_s: float) -> None:
        settings = context.settings
        self._log = context.log
        self._what = what
        self._within_s = within_s
        self._attempt_s = settings.retry_attempt_s or math.inf
        self._first_s = settings.retry_first_pause_s
        self._longest_s = settings.retry_longest_pause_s
        self._address = settings.database_address
        self._draw = random.Random(settings.jitter_seed)  # noqa: S311  jitter, not a secret

    async def __call__(self, work: Work) -> None:
        """Do the work until it passes.

        An error that waiting cannot fix is raised at once, and the last one when the budget is
        spent.
        """
        began_s, tries = time.monotonic(), 0
        while True:
            tries += 1
            left_s = self._within_s - (time.monotonic() - began_s)
            try:
                async with asyncio.timeout(min(self._attempt_s, left_s)):
                    await work()
            except Exception as error:
                if not is_transient(error):
                    raise
                pause_s = jitter.pause_s(
                    self._draw, tries, first_s=self._first_s, longest_s=self._longest_s
                )
                is_over = time.monotonic() - began_s + pause_s > self._within_s
                self._log_failure(error, tries, None if is_over else pause_s)
                if is_over:
                    raise
                await asyncio.sleep(pause_s)
            else:
                break
        if tries > 1:
            self._log_success(tries, time.monotonic() - began_s)

    def _log_failure(self, error: Exception, tries: int, pause_s: float | None) -> None:
        after = "giving up" if pause_s is None else f"again in {pause_s:.3f} s"
        self._log.emit(
            "database.retry_failed",
            f"Try {tries} to open {self._what} failed, {after}: {summary(error)}",
            severity="WARNING",
            phase=PHASE,
            tries=tries,
            pause_s=pause_s,
            within_s=self._within_s,
            error=describe(error),
            address=self._address,
        )

    def _log_success(self, tries: int, after_s: float) -> None:
        self._log.emit(
            "database.retried",
            f"Try {tries} to open {self._what} was the one that passed",
            phase=PHASE,
            tries=tries,
            after_s=round(after_s, 6),
            address=self._address,
        )

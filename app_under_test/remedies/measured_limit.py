"""Measured limit: the limit of phase database follows what earlier lives measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_under_test.remedies.opening_time import OpeningTime, limit_from
from app_under_test.remedies.opening_times import OpeningTimes
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context

PHASE = "database"


class MeasuredLimit(Remedy):
    """Gives phase database the limit that its times in earlier lives ask for (`limit_from`).

    What is measured is what the limit holds for: the whole phase, with its first query and all its
    connections.
    """

    def __init__(self, context: Context) -> None:
        self._settings, self._log = context.settings, context.log
        self._kept = OpeningTimes(context.settings, context.log)
        self._times: list[OpeningTime] = []
        self._kept_in = "nowhere"

    async def before(self, phase: str) -> None:
        """Read the times of earlier lives."""
        if phase == PHASE:
            self._times, self._kept_in = await self._kept.newest()

    def limit_s(self, phase: str, limit_s: float) -> float:
        """Return the limit of phase database, and log what it rests on."""
        if phase != PHASE:
            return limit_s
        chosen_s = limit_from(
            self._times,
            percentile=self._settings.measured_limit_percentile,
            configured_s=limit_s,
            longest_s=self._settings.measured_limit_longest_s,
        )
        cut = sum(time.was_cut for time in self._times)
        self._log.emit(
            "remedy.limit_measured",
            f"Phase database may take {chosen_s:g} s by {len(self._times)} earlier times, {cut} "
            "of them cut off",
            phase=PHASE,
            limit_s=chosen_s,
            configured_s=limit_s,
            times=len(self._times),
            cut=cut,
            kept_in=self._kept_in,
        )
        return chosen_s

    async def after(self, phase: str, duration_s: float, error: Exception | None) -> None:
        """Keep how long the phase took, or that it was cut off; a refusal says nothing."""
        if phase == PHASE and (error is None or isinstance(error, TimeoutError)):
            await self._kept.add(OpeningTime(seconds=duration_s, was_cut=error is not None))

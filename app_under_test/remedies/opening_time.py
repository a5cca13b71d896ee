"""How long the database took to open in earlier lives, and the time limit that follows from it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

BACK_OFF = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningTime:
    """One measurement. One that was cut off says only that it would have taken longer."""

    seconds: float
    was_cut: bool

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read what `text()` wrote. Raises ValueError."""
        value = json.loads(text)
        if not isinstance(value, list) or list(map(type, value)) != [float, bool]:
            raise ValueError("a measurement is [seconds, was_cut]")
        if not (math.isfinite(value[0]) and value[0] >= 0.0):
            raise ValueError("a measurement has a finite time that is not negative")
        return cls(seconds=value[0], was_cut=value[1])

    def text(self) -> str:
        """Write it as `[seconds, was_cut]`."""
        return json.dumps([float(self.seconds), self.was_cut])


def limit_from(
    times: Sequence[OpeningTime], *, percentile: int, configured_s: float, longest_s: float
) -> float:
    """Return the limit: a high percentile of the times, by nearest rank.

    A percentile of what was measured: M. Brooker, "Timeouts, retries, and backoff with jitter",
    Amazon Builders' Library. A time that was cut off is right-censored (Kaplan and Meier 1958), so
    it ranks above every time that was not, and the limit must be longer: it is twice the longest
    one, as a time-out doubles the timer in RFC 6298, section 5.5.

    The configured limit is never made shorter, and is made no longer than `longest_s`.
    """
    cut = [time.seconds for time in times if time.was_cut]
    whole = sorted(time.seconds for time in times if not time.was_cut)
    rank = math.ceil(percentile / 100 * len(times))
    enough_s = whole[rank - 1] if 0 < rank <= len(whole) else 0.0
    if cut:
        enough_s = max(enough_s, BACK_OFF * max(cut))
    return max(configured_s, min(longest_s, enough_s))

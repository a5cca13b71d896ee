"""The time scale: the one place where the incident's seconds become this run's seconds.

Scenarios are written in the incident's own seconds. A run at scale 20 divides every limit, delay
and back-off by 20. What the kernel or a vendor times (SYN retransmission, Docker's 10 s rule)
cannot be divided; a scenario that relies on such a time runs at scale 1 only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from crashloop.errors import UsageError

DEFAULT_SCALE = 20.0
REAL_TIME = 1.0
MAX_SCALE = 1000.0
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeScale:
    """How many times faster than the incident a run goes: 1 is real time, 20 the default."""

    factor: float = DEFAULT_SCALE

    def __post_init__(self) -> None:
        if not REAL_TIME <= self.factor <= MAX_SCALE:
            raise UsageError(
                f"time scale {self.factor:g} is outside 1 to {MAX_SCALE:g}",
                hint="--time-scale 20 runs twenty times faster; --real-time is a scale of 1",
            )

    @property
    def is_real_time(self) -> bool:
        """Whether the incident's seconds pass as they are."""
        return self.factor == REAL_TIME

    def wall_s(self, incident_s: float) -> float:
        """Seconds that pass here for `incident_s` seconds of the incident."""
        return incident_s / self.factor

    def incident_s(self, wall_s: float) -> float:
        """Seconds of the incident for `wall_s` seconds that passed here."""
        return wall_s * self.factor


def rfc3339(unix_ns: int | None = None) -> str:
    """The instant (now by default) as RFC 3339 in UTC with microseconds."""
    seconds = (time.time_ns() if unix_ns is None else unix_ns) / NS_PER_S
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")

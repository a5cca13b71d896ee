"""What one replica's starts and deaths amount to: a restart loop, or something else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Pattern(StrEnum):
    """What became of a replica, by its starts and deaths.

    RESTART_LOOP: life after life died before it was ready, and the platform started the next one.
    SLOW_START: it became ready without a death, after a fault had kept it waiting.
    CRASH_AFTER_READY: a life died that had been ready. GAVE_UP: the platform started it no more.
    SILENT_EXIT: it ended with exit 0 without having been ready, and the platform took that for
    success. SILENT_ALIVE: its process lived on with nothing listening, so no platform saw a death.
    STARTED: it became ready, after at most one death, and nothing kept it waiting.
    """

    RESTART_LOOP = "restart_loop"
    SLOW_START = "slow_start"
    CRASH_AFTER_READY = "crash_after_ready"
    GAVE_UP = "gave_up"
    SILENT_EXIT = "silent_exit"
    SILENT_ALIVE = "silent_alive"
    STARTED = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTime:
    """From the last heal to the moment a replica was seen ready, in parts that add up.

    Seconds of the incident: waits are scaled back, real work is as long as it was. `policy_s` is
    the platform's back-off, `syn_s` the time that a connection waited only for its kernel's next
    SYN, `app_s` the app's own boot and phases in the life that became ready, and `rest_s` all else:
    lives that still died, and the time between a back-off's end and the next process.
    """

    policy_s: float
    syn_s: float
    app_s: float
    rest_s: float

    @property
    def total_s(self) -> float:
        """All parts together."""
        return self.policy_s + self.syn_s + self.app_s + self.rest_s

    def to_json(self) -> dict[str, float]:
        """The parts and their sum, to the millisecond."""
        parts = {each.name: round(getattr(self, each.name), 3) for each in fields(self)}
        return {"total_s": round(sum(parts.values()), 3), **parts}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaLoop:
    """What the starts and deaths of one replica amount to; None where the trace does not show it.

    `looped`: it was in a restart loop at some time, whatever became of it later. `cycles_s` are the
    times from one start of the loop to the next, in seconds of the incident: the life, its waits
    scaled back and its real work as it was, and the back-off after it. `cycle_s` is their mean, and
    `starts_per_hour` follows from it. `resets` is what makes the platform's back-off start over, ""
    if the platform is unknown; `was_reset`: the platform says so of a restart of this run.
    `recovery` is None where nothing had to recover, or did not. `evidence` are `seq` numbers.
    """

    replica: int
    pattern: Pattern | None
    why: str
    looped: bool = False
    starts: int = 0
    deaths: int = 0
    cycles_s: tuple[float, ...] = ()
    resets: str = ""
    was_reset: bool | None = None
    recovery: RecoveryTime | None = None
    evidence: tuple[int, ...] = ()

    @property
    def cycle_s(self) -> float | None:
        """The mean time from one start of the loop to the next."""
        return sum(self.cycles_s) / len(self.cycles_s) if self.cycles_s else None

    @property
    def starts_per_hour(self) -> float | None:
        """How many starts an hour of the incident has at that pace."""
        return 3600.0 / self.cycle_s if self.cycle_s else None

    def to_json(self) -> dict[str, Any]:
        """A JSON object with these fields."""
        cycle_s, an_hour = self.cycle_s, self.starts_per_hour
        return {
            **asdict(self),
            "cycles_s": [round(each, 3) for each in self.cycles_s],
            "cycle_s": None if cycle_s is None else round(cycle_s, 3),
            "starts_per_hour": None if an_hour is None else round(an_hour, 1),
            "recovery": None if self.recovery is None else self.recovery.to_json(),
            "evidence": list(self.evidence),
        }

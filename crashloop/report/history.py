"""What happened, as records to show: attempts with their phases, faults, marks. Pure.

Made from any events, also those of a run that has not ended: a live view and a report agree.
All times are wall seconds since the first attempt started or the first fault was injected,
whichever came first; `History.scale` turns them into the incident's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

NS_PER_S = 1e9
LOCAL = "local"
DOCKER = "docker"


class Outcome(StrEnum):
    """How a phase ended: `CUT` means that its process ended first."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    DEGRADED = "degraded"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpan:
    """One phase of one attempt; `took_s` and `limit_s` are wall seconds as the app reports them."""

    name: str
    start_s: float
    end_s: float
    outcome: Outcome
    took_s: float
    limit_s: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpan:
    """One process life of the app.

    `exit` is `exit 3` or a signal's name, empty while it lives; `requested` when the harness ended
    it. `serves_s` is the first answer 200 of the readiness address, `ready_s` the first `ready`.
    """

    number: int
    start_s: float
    end_s: float
    exit: str = ""
    requested: bool = False
    phases: tuple[PhaseSpan, ...] = ()
    serves_s: float | None = None
    ready_s: float | None = None

    @property
    def died(self) -> bool:
        """Whether it ended on its own."""
        return bool(self.exit) and not self.requested

    @property
    def last_phase(self) -> PhaseSpan | None:
        """The last phase that it began, or None."""
        return self.phases[-1] if self.phases else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpan:
    """One fault from injection to heal; `receipts` counts what the proxy or the kernel saw.

    `says` has its kind and parameters in words, in the incident's seconds.
    """

    name: str
    kind: str
    says: str
    grade: str
    plugged: bool
    start_s: float
    end_s: float
    healed: bool
    trigger: str = ""
    receipts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """How far the golden path came: `row` is the message's number in Postgres."""

    answered: bool = False
    row: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the run ended; `failure` and `hint` if the harness broke."""

    how: str = ""
    failure: str = ""
    hint: str = ""
    refused: str = ""
    interrupted: bool = False
    gave_up: str = ""
    torn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A run as far as its events show; `span_s` is how long it took.

    `making` is the image that is being pulled or built, if one is. `unfair_scale` says why the time
    scale was too large, if it was. `output` are the last lines of the last attempt that died, or of
    the last attempt where none did.
    """

    incident: str
    role: str
    transport: str
    seed: str
    scale: float
    command: str
    lab_ready: bool
    baseline: bool
    attempts: tuple[AttemptSpan, ...]
    faults: tuple[FaultSpan, ...]
    engine: str = LOCAL
    making: str = ""
    golden: Golden = field(default_factory=Golden)
    ending: Ending = field(default_factory=Ending)
    span_s: float = 0.0
    unfair_scale: str = ""
    output: tuple[str, ...] = ()

    @property
    def is_on_docker(self) -> bool:
        """Whether Docker itself restarted the app."""
        return self.engine == DOCKER

    @property
    def is_scaled(self) -> bool:
        """Whether the incident's seconds passed faster here."""
        return self.scale != 1.0

    def incident_s(self, wall_s: float) -> float:
        """Seconds of the incident."""
        return wall_s * self.scale

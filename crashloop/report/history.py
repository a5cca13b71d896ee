"""What happened, as records to show: lives with their phases, faults, marks. Pure.

Made from any events, also those of a run that has not ended: a live view and a report agree.
All times are wall seconds since the first process started or the first fault was injected,
whichever came first; `History.scale` turns them into the incident's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from crashloop.report.words import target_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.report.control_span import ControlSpan

NS_PER_S = 1e9
LOCAL = "local"
DOCKER = "docker"


class PhaseEnd(StrEnum):
    """How a phase ended: `CUT` means that its process ended first."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    DEGRADED = "degraded"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpan:
    """One phase of one life; `took_s` and `limit_s` are wall seconds as the app reports them."""

    name: str
    start_s: float
    end_s: float
    outcome: PhaseEnd
    took_s: float
    limit_s: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFailure:
    """A probe that failed as often in a row as its threshold says; `age_s` is the process's."""

    probe: str
    failures: int
    at_s: float
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A signal that the platform sent, and on behalf of which probe."""

    by: str
    signal: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLink:
    """A connection of a life that a fault held; `gave_up`: the app itself closed it then."""

    target: str
    start_s: float
    end_s: float
    gave_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSpan:
    """One process life of the app: the `attempt`-th of its replica; `old` if of the old revision.

    `exit` is `exit 3` or a signal's name, empty while it lives; `requested` when the harness ended
    it. `serves_s` is the first answer 200 of the readiness address, `ready_s` the first `ready`.

    `links` counts its connections by target, `held` are those that a fault held. `server` is the
    last failure that its server logged, and `error` the last error in its output, in words.
    """

    replica: int
    attempt: int
    start_s: float
    end_s: float
    old: bool = False
    exit: str = ""
    requested: bool = False
    phases: tuple[PhaseSpan, ...] = ()
    probes: tuple[ProbeFailure, ...] = ()
    kills: tuple[Kill, ...] = ()
    serves_s: float | None = None
    ready_s: float | None = None
    links: Mapping[str, int] = field(default_factory=dict)
    held: tuple[HeldLink, ...] = ()
    server: str = ""
    error: str = ""

    @property
    def died(self) -> bool:
        """Whether it ended without the harness asking for it."""
        return bool(self.exit) and not self.requested

    @property
    def last_phase(self) -> PhaseSpan | None:
        """The last phase that it began, or None."""
        return self.phases[-1] if self.phases else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpan:
    """One fault from injection to heal.

    `says` has its kind and parameters in words, in the incident's seconds; `witness` says in a
    sentence who saw it act, `receipts` counts what they saw.
    """

    name: str
    kind: str
    target: str
    says: str
    grade: str
    plugged: bool
    start_s: float
    end_s: float
    healed: bool
    trigger: str = ""
    receipts: int = 0
    witness: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneySpan:
    """How far the journey of one replica came: `steps` in words, of `total`.

    `waiting` says why the next step did not pass, if it did not.
    """

    replica: int
    steps: tuple[str, ...] = ()
    total: int = 0
    failed: str = ""
    waiting: str = ""

    @property
    def passed(self) -> bool:
        """Whether all of its steps passed."""
        return 0 < self.total <= len(self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrySpan:
    """One try of a whole journey: when it ended, and, if it did not pass, which step and why."""

    replica: int
    number: int
    at_s: float
    took_s: float
    passed: bool
    step: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """How often a dependency itself logged an error, by its SQLSTATE."""

    target: str
    sqlstate: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the run ended; `failure` and `hint` if the harness broke.

    `gave_up` has each replica that the platform gave up, with its reason.
    """

    how: str = ""
    failure: str = ""
    hint: str = ""
    refused: str = ""
    interrupted: bool = False
    gave_up: Mapping[int, str] = field(default_factory=dict)
    torn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A run as far as its events show; `span_s` is how long it took.

    `replicas` is how many the scenario plans. `dependencies` are (name, kind, transport), `healthy`
    the names of those that answered before any fault. `restarter` says who starts the app again.
    `making` is the image that is being pulled or built, if one is. `unfair_scale` says why the time
    scale was too large, if it was. `output`
    are the last lines of the last life that died, or of the last life where none did, and `log` is
    the name of the file that has them all. `is_own_app`: the app is the user's own; only then there
    is a `control` life, `tries` of its journey, and checks that were `not_asked`, with the reason.
    """

    incident: str
    role: str
    seed: str
    scale: float
    command: str
    lab_ready: bool
    lives: tuple[LifeSpan, ...]
    faults: tuple[FaultSpan, ...]
    replicas: int = 1
    dependencies: tuple[tuple[str, str, str], ...] = ()
    healthy: frozenset[str] = frozenset()
    engine: str = LOCAL
    restarter: str = "the platform"
    making: str = ""
    server_errors: tuple[ServerError, ...] = ()
    journeys: tuple[JourneySpan, ...] = ()
    is_own_app: bool = False
    not_asked: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    control: ControlSpan | None = None
    tries: tuple[TrySpan, ...] = ()
    ending: Ending = field(default_factory=Ending)
    span_s: float = 0.0
    unfair_scale: str = ""
    output: tuple[str, ...] = ()
    log: str = ""

    @property
    def is_on_docker(self) -> bool:
        """Whether the app ran in containers."""
        return self.engine == DOCKER

    @property
    def docker_restarts(self) -> bool:
        """Whether Docker itself restarted the app."""
        return self.restarter == "Docker"

    @property
    def is_scaled(self) -> bool:
        """Whether the incident's seconds passed faster here."""
        return self.scale != 1.0

    @property
    def has_ended(self) -> bool:
        """Whether the run's end was seen, so that what did not happen until then is known, too."""
        return bool(self.ending.how)

    @property
    def never_tested(self) -> bool:
        """Whether the control life failed, so that no fault was tried."""
        return self.control is not None and bool(self.control.what)

    @property
    def several(self) -> bool:
        """Whether a life is named with its replica."""
        return self.replicas > 1 or any(life.replica != 1 for life in self.lives)

    def by_replica(self) -> dict[int, list[LifeSpan]]:
        """The lives of each replica that was started, in order."""
        found: dict[int, list[LifeSpan]] = {}
        for life in sorted(self.lives, key=lambda one: one.replica):
            found.setdefault(life.replica, []).append(life)
        return found

    def name(self, life: LifeSpan) -> str:
        """A life in words: `attempt 2`, and of which replica where there are several."""
        return f"attempt {life.attempt}" + (f" of replica {life.replica}" if self.several else "")

    def target(self, name: str) -> str:
        """The display name of a target."""
        kinds = {dependency: kind for dependency, kind, _ in self.dependencies}
        return target_words(name, kinds.get(name, ""))

    def incident_s(self, wall_s: float) -> float:
        """Seconds of the incident."""
        return wall_s * self.scale

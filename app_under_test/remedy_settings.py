"""The settings of the remedies, each off by default, and what every setting is made of."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "APP_"


def timer(default_s: float, description: str, *, zero_allowed: bool = False) -> Any:
    """Declare a time in seconds; the mark lets a harness find, list and scale every timer."""
    return Field(
        default_s,
        description=description,
        allow_inf_nan=False,
        json_schema_extra={"timer": True},
        ge=0.0 if zero_allowed else None,
        gt=None if zero_allowed else 0.0,
    )


class RemedySettings(BaseSettings):
    """What switches the remedies on, and their own times and sizes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    remedy_degraded_start: bool = Field(
        default=False, description="serve while the database comes back"
    )
    degraded_reconnect_pause_s: float = timer(
        1.0, "mean pause between two tries; each is drawn from 0 to twice this (full jitter)"
    )
    degraded_queue_size: int = Field(
        100, ge=1, le=100_000, description="messages kept while the database is away"
    )
    remedy_degraded_phases: bool = Field(
        default=False, description="start without cache and services while they cannot be had"
    )
    degraded_phases_wait_s: float = timer(
        1.0, "how long each of these phases is waited for before start-up goes on"
    )
    remedy_retry_s: float = timer(
        0.0,
        "how long phase database tries again after a transient error; 0: it does not",
        zero_allowed=True,
    )
    remedy_retry_probe_s: float = timer(
        0.0,
        "how long a probe connection is tried before phase database; 0: there is none",
        zero_allowed=True,
    )
    retry_attempt_s: float = timer(
        0.0, "limit of each try of a retry; 0: what is left of its time", zero_allowed=True
    )
    retry_first_pause_s: float = timer(0.5, "the longest first pause of a retry")
    retry_longest_pause_s: float = timer(10.0, "the longest pause of a retry")
    remedy_sigterm: bool = Field(default=False, description="honour SIGTERM during start-up")
    remedy_measured_limit: bool = Field(
        default=False, description="let earlier lives' times set the limit of phase database"
    )
    measured_limit_percentile: int = Field(99, ge=50, le=100, description="of those times")
    measured_limit_times: int = Field(50, ge=1, le=1000, description="how many are kept")
    measured_limit_longest_s: float = timer(
        200.0, "the longest measured limit; chosen: below the 240 s of Cloud Run's start-up probe"
    )
    measured_limit_wait_s: float = timer(
        1.0, "how long a start waits for the cache that keeps the times"
    )
    measured_limit_file: str = Field(
        "", description="the file that keeps the times without a cache, or nothing: nowhere"
    )
    startup_probe_s: float = timer(
        0.0,
        "how long the platform's start-up probe waits, which the remedies' budgets must stay "
        "below; 0: there is none",
        zero_allowed=True,
    )
    remedy_circuit_breaker: bool = Field(
        default=False, description="fail requests at once while the database keeps failing"
    )
    circuit_threshold: int = Field(
        5, ge=1, description="failures in a row that open the circuit; purgatory's own default"
    )
    circuit_open_s: float = timer(
        30.0, "how long an open circuit refuses every request; purgatory's own default"
    )
    remedy_pool_sizing: bool = Field(
        default=False, description="take no more than this replica's share of the connections"
    )
    replicas: int = Field(
        1, ge=1, description="replicas that share the database's connections, with pool sizing"
    )
    remedy_admission: int = Field(
        0, ge=0, le=1000, description="replicas that may start at once; 0: as many as there are"
    )
    admission_lease_s: float = timer(
        30.0, "after this the lease of a replica that was killed is free"
    )
    admission_wait_s: float = timer(
        60.0, "how long a replica waits for a lease; then it starts without one"
    )
    admission_pause_s: float = timer(
        1.0, "mean pause between two tries; each is drawn from 0 to twice this (full jitter)"
    )
    jitter_seed: int | None = Field(None, description="makes the jitter repeatable")

    @model_validator(mode="after")
    def _budgets_stay_below_the_start_up_probe(self) -> Self:
        in_the_phase = {
            "REMEDY_RETRY_S": self.remedy_retry_s,
            "MEASURED_LIMIT_LONGEST_S": self.measured_limit_longest_s * self.remedy_measured_limit,
        }
        longest = max(in_the_phase, key=in_the_phase.__getitem__)
        budgets = {  # spent one after the other
            "ADMISSION_WAIT_S": self.admission_wait_s * bool(self.remedy_admission),
            "REMEDY_RETRY_PROBE_S": self.remedy_retry_probe_s,
            longest: in_the_phase[longest],
        }
        budget_s = sum(budgets.values())
        if 0.0 < self.startup_probe_s <= budget_s:
            names = " + ".join(f"{PREFIX}{name}" for name, each_s in budgets.items() if each_s)
            raise ValueError(
                f"{names} must be below {PREFIX}STARTUP_PROBE_S, or the platform kills "
                f"a start that still waits ({budget_s:g} >= {self.startup_probe_s:g})"
            )
        return self

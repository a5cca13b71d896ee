"""What starts the app again: its restart policy, its probes, its grace period."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProbeKind(StrEnum):
    """What a probe does: connect, request, or run a command."""

    TCP = "tcp"
    HTTP = "http"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe of one life; times are seconds of the incident, the defaults are Kubernetes' own.

    `path` is an HTTP probe's, of which any status from 200 to 399 passes; `command` is run without
    a shell and passes with exit 0. Kubernetes counts `failures` in a row, then acts. One that
    `keeps_trying` begins at `delay_s` and fails only after it has tried for `timeout_s`.
    """

    kind: ProbeKind
    path: str = ""
    command: tuple[str, ...] = ()
    delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    failures: int = 3
    keeps_trying: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """A restart policy by name; `max_restarts` 0 means without limit.

    `settings` are the figures that a user has set, by the platform's own names.
    """

    name: str
    max_restarts: int = 0
    note: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform by name: how it restarts, what it probes, how it stops.

    A failed start-up or liveness probe ends the life: SIGTERM, and SIGKILL after `grace_s`. Until
    the start-up probe has passed, no other probe runs.
    """

    name: str
    restart: RestartPolicy
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None
    grace_s: float = field(default=10.0)

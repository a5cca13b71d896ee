"""The records that all modules share: scenario, fault plan, trigger, signature, verdict.

Records only: no behaviour beyond turning themselves into JSON, no I/O. Times are seconds of the
incident unless a name says otherwise; the time scale is applied where a run touches a real clock.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PHASES = ("init", "dependencies", "database", "cache", "services", "websocket", "finalize")
"""The seven start-up phases, in order (audit of issue 1278)."""


class Verdict(StrEnum):
    """What one run says about its incident, and the command's exit status for it."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT_REPRODUCED"
    INCONCLUSIVE = "INCONCLUSIVE"
    HARNESS_ERROR = "HARNESS_ERROR"

    @property
    def exit_status(self) -> int:
        """0 REPRODUCED, 10 NOT_REPRODUCED, 11 INCONCLUSIVE, 12 HARNESS_ERROR."""
        return {"REPRODUCED": 0, "NOT_REPRODUCED": 10, "INCONCLUSIVE": 11, "HARNESS_ERROR": 12}[
            self.value
        ]


class Role(StrEnum):
    """Which of a proof's four runs this is."""

    CONTROL = "control"
    REPRODUCTION = "reproduction"
    REMEDY = "remedy"
    UNPLUGGED = "unplugged"


class Grade(StrEnum):
    """Who saw the fault touch a connection: see `crashloop.faults`."""

    DIRECT = "direct"
    KERNEL = "kernel"
    CLIENT = "client"


class Transport(StrEnum):
    """How the app reaches its database."""

    UNIX = "unix"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The first event of a kind (of an attempt, of a phase, where given), and seconds after it."""

    on: str
    attempt: int | None = None
    phase: str | None = None
    after_s: float = 0.0

    def __str__(self) -> str:
        what = self.on + (f" {self.phase}" if self.phase else "")
        attempt = f" of attempt {self.attempt}" if self.attempt else ""
        return (f"{self.after_s:g} s after " if self.after_s else "") + what + attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Fires once, at the first of its moments."""

    first_of: tuple[Moment, ...]

    def __str__(self) -> str:
        return ", or ".join(map(str, self.first_of))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault and when it is injected and healed.

    `kind` names one of `crashloop.proxy.faults.KINDS`, `params` are its fields, `grade` is what
    that kind declares, written out so that a trace needs no registry.
    """

    name: str
    kind: str
    params: Mapping[str, float]
    grade: Grade
    inject: Trigger
    heal: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """A restart policy by name; `max_restarts` 0 means without limit."""

    name: str
    max_restarts: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUnderTest:
    """The app that a run starts: an ASGI target and its environment.

    `timers_s` are seconds of the incident and are scaled; `settings` are passed as they are.
    `folder` is an import folder for targets that are not installed, else empty.
    """

    target: str = "app_under_test.main:app"
    folder: str = ""
    timers_s: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check of `crashloop.checks` by name, its parameters, and whether it needs a fault."""

    check: str
    params: Mapping[str, Any] = field(default_factory=dict)
    needs_fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What makes a run this incident, as data.

    `require`: the run was a fair test. `expect`: what the incident looks like. Checks marked
    `needs_fault` are left out of a control run, where no fault is planned.
    """

    name: str
    require: tuple[CheckSpec, ...]
    expect: tuple[CheckSpec, ...]

    def without_faults(self) -> Signature:
        """The signature for a control run: the same, less what only a fault could satisfy."""
        return Signature(
            name=self.name,
            require=tuple(c for c in self.require if not c.needs_fault),
            expect=self.expect,
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signature:
        """Read what `to_json` wrote; KeyError or TypeError if it is something else."""
        signature = cls(
            name=data["name"],
            require=tuple(CheckSpec(**c) for c in data["require"]),
            expect=tuple(CheckSpec(**c) for c in data["expect"]),
        )
        for spec in (*signature.require, *signature.expect):
            if not isinstance(spec.check, str) or not isinstance(spec.params, dict):
                raise TypeError(f"not a check and its parameters: {spec}")
        return signature

    def digest(self) -> str:
        """SHA-256 over the canonical JSON, in hex."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The runnable record of an incident."""

    incident: str
    title: str
    params: Mapping[str, Any]
    role: Role
    transport: Transport
    app: AppUnderTest
    policy: RestartPolicy
    faults: tuple[PlannedFault, ...]
    signature: Signature
    deadline_s: float
    remedy: str = ""
    real_time_only: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object with everything needed to understand the run later."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `holds` None: it saw nothing to decide on, which is never a pass."""

    check: str
    role: str
    holds: bool | None
    says: str
    evidence: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `evidence` are `seq` numbers of the trace."""
        return {**asdict(self), "evidence": list(self.evidence)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its reason and every finding behind it."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    signature: str = ""
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The content of `verdict.json`, less what the run adds (seed, paths, command)."""
        return {
            "verdict": str(self.verdict),
            "reason": self.reason,
            "signature": self.signature,
            "signature_sha256": self.digest,
            "findings": [f.to_json() for f in self.findings],
        }

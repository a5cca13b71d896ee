"""What a run says about its incident: the verdict, and the findings behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


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

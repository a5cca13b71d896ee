"""What makes a run an incident, as data: the checks that must hold."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check of `crashloop.checks` by name, with its parameters.

    `needs_fault`: only a planned fault can satisfy it, so a control run is not asked for it.
    `with_remedy`: the run with the remedy must show it, too.
    """

    check: str
    params: Mapping[str, Any] = field(default_factory=dict)
    needs_fault: bool = False
    with_remedy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What makes a run this incident, as data.

    `require`: the run was a fair test. `expect`: what the incident looks like.
    """

    name: str
    require: tuple[CheckSpec, ...]
    expect: tuple[CheckSpec, ...]

    def without_faults(self) -> Signature:
        """The signature for a control run: the same, less what only a fault could satisfy."""
        return Signature(
            name=self.name,
            require=tuple(c for c in self.require if not c.needs_fault),
            expect=tuple(c for c in self.expect if not c.needs_fault),
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
        return digest_of(self.to_json())


def digest_of(signature: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a signature's JSON object, in hex."""
    canonical = json.dumps(signature, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()

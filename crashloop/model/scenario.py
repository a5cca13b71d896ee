"""The runnable record of an incident."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.model.replicas import Replicas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.app import AppUnderTest
    from crashloop.model.dependency import Dependency
    from crashloop.model.fault import PlannedFault
    from crashloop.model.platform import Platform
    from crashloop.model.role import Role
    from crashloop.model.signature import Signature
    from crashloop.model.trigger import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run of an incident. `phase` is the phase that the incident is about.

    `remedy` names what this run does differently; `real_time_only` says why it cannot be scaled.
    `time_scale` is the one that an ordinary machine is fast enough for.
    `journey_after_heal`: a patient journey begins after the last heal.

    `is_own_app`: the app is the user's own. Then a control life comes first, and the run has an
    outcome; `advice` is what would end the outage, `not_asked` are the checks of the incident whose
    evidence the app's entry cannot give, each with the reason.
    """

    incident: str
    title: str
    params: Mapping[str, Value]
    role: Role
    app: AppUnderTest
    dependencies: tuple[Dependency, ...]
    platform: Platform
    faults: tuple[PlannedFault, ...]
    signature: Signature
    deadline_s: float
    phase: str = ""
    replicas: Replicas = field(default_factory=Replicas)
    journey_after_heal: bool = False
    remedy: str = ""
    real_time_only: str = ""
    time_scale: float = 20.0
    is_own_app: bool = False
    advice: str = ""
    not_asked: Mapping[str, str] = field(default_factory=dict)

    def dependency(self, name: str) -> Dependency:
        """The dependency with this name; KeyError if there is none."""
        return {each.name: each for each in self.dependencies}[name]

    def to_json(self) -> dict[str, Any]:
        """A JSON object with everything needed to understand the run later."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

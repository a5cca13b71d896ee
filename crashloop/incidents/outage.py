"""What happens in an incident, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.model import Replicas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Dependency, PlannedFault, Platform, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens in an incident: the app's knobs, what it depends on, what is done to it.

    `phase` is the start-up phase that it is about, `target` the dependency that this phase opens.
    """

    phase: str
    target: str
    dependencies: tuple[Dependency, ...]
    platform: Platform
    faults: tuple[PlannedFault, ...]
    deadline_s: float
    knobs: Mapping[str, Value] = field(default_factory=dict)
    replicas: Replicas = field(default_factory=Replicas)

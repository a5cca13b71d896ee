"""What happens in an incident, as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashloop.model.replicas import Replicas
from crashloop.model.trigger import Moment, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.dependency import Dependency
    from crashloop.model.fault import PlannedFault
    from crashloop.model.platform import Platform
    from crashloop.model.trigger import Value

WINDOW_S = 600.0
"""How long a scheduled outage is followed, in seconds of the incident."""

UNTIL_THE_END = Trigger(first_of=(Moment(on="run.finished"),))
"""The heal of a fault that is there for as long as anybody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens in an incident: the app's knobs, what it depends on, what is done to it.

    `phase` is the start-up phase that it is about, `target` the dependency that this phase opens.
    `journey_after_heal`: the app may be ready before the last heal, as between two deaths, so that
    the journeys of its users begin after it.
    Where the app may die before it connects to the target, it need not come: `comes` is false.
    """

    phase: str
    target: str
    dependencies: tuple[Dependency, ...]
    platform: Platform
    faults: tuple[PlannedFault, ...]
    deadline_s: float
    knobs: Mapping[str, Value] = field(default_factory=dict)
    replicas: Replicas = field(default_factory=Replicas)
    journey_after_heal: bool = False
    comes: bool = True

    def healed_at(self, heal_s: float) -> Outage:
        """The outage whose faults are healed `heal_s` seconds after the baseline.

        What the app does meanwhile changes nothing. A fault that each life meets stays as it is, as
        does one that is healed `UNTIL_THE_END`.
        """
        passed = Moment(
            on="baseline.passed",
            where={"target": self.target},
            after_s=heal_s,
            through_restarts=True,
        )
        heal = Trigger(first_of=(passed,))
        return replace(
            self,
            faults=tuple(
                each if each.each_life or each.heal == UNTIL_THE_END else replace(each, heal=heal)
                for each in self.faults
            ),
            deadline_s=max(WINDOW_S, 2 * heal_s),
        )

"""The record of a connector profile: cited figures, and the fault that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.proxy.faults import SlowConnect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.profiles.figure import Figure

CONNECTION = "connection_s"
SETTLED = "settled_s"
EACH_OTHER = "each_other_s"
THROUGHPUT = "throughput"

# Chosen, and not longer than the shortest connection of any profile that comes with crashloop: an
# app that opens two connections one after the other meets two draws.
SLOT_S = 10.0

SCALING = "connector-scaling"
"""The fault of a connector that scales out; the remedy `pre-scaled-connector` takes it away."""
FRESH = "egress-of-a-fresh-instance"
"""The fault of a path that is slow for each new instance, whatever was scaled before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A connector by its figures; times are seconds of the incident.

    `connection_s` and `settled_s` are always there: how long a connection takes while the connector
    scales, and when it has scaled. `each_instance`: nothing scales; the time counts once for each
    instance of the app, from its first connection, and no instance has waited for another.
    """

    name: str
    title: str
    figures: Mapping[str, Figure]
    each_instance: bool = False

    @property
    def fault_name(self) -> str:
        """The name of the fault, which its draws depend on."""
        return FRESH if self.each_instance else SCALING

    @property
    def settles_at_s(self) -> float:
        """When the fault is healed if nothing else says so: the middle of `settled_s`."""
        return self.figures[SETTLED].middle

    def fault(self) -> SlowConnect:
        """The proxy's fault that the figures give, in seconds of the incident.

        Throughput has no part in it: docs/profiles.md has measured that it delays no start.
        """
        connection, more = self.figures[CONNECTION], self.figures.get(EACH_OTHER)
        return SlowConnect(
            low_s=connection.low,
            high_s=connection.high,
            slot_s=SLOT_S,
            each_other_s=more.middle if more else 0.0,
            each_client=self.each_instance,
        )

    def draws(self, *, seed: int, until_s: float) -> tuple[float, ...]:
        """What a run of this seed draws for each slot of `SLOT_S` seconds until then.

        That is how long a connection takes that is opened in the slot while no other one waits.
        """
        fault = self.fault()
        return tuple(
            fault.drawn_s(slot, seed=seed, fault_id=self.fault_name)
            for slot in range(fault.slot(until_s) + 1)
        )

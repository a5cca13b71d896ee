"""The fault of a name that resolves late."""

from __future__ import annotations

from dataclasses import dataclass, field

from crashloop.faults.alone import Alone, dies
from crashloop.faults.network.name_fault import PHASE, RIGHT, TARGET, NameFault, came
from crashloop.faults.parameter import takes
from crashloop.model import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLate(NameFault):
    """Each look-up of the target's name is answered rightly, and `delay_s` late.

    A look-up cannot be cancelled: a process that has given up still ends only after its answer.
    """

    kind = "name_late"
    alone = Alone(
        target=TARGET,
        params={"delay_s": 30.0},
        transport=Transport.TCP,
        comes=False,
        by_name=True,
        heal_s=180.0,  # each life ends only when its look-up has been answered
        shows=(*dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True), came("unheard")),
        told_by={
            "name_unknown": "phase_failed",
            "wrong_host": "phase_failed",
            "hold": "connection_was",
            "black_hole": "connection_was",
            "ipv6_first": "connection_was",
        },
        ends="the resolver answers sooner, or the limit is longer than its own time-outs",
    )

    delay_s: float = field(metadata=takes("s", above=True))

    def answer(self) -> tuple[tuple[str, ...], float]:
        """The right address, late."""
        return (RIGHT,), self.delay_s

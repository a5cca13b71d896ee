"""The fault of a name that does not resolve."""

from __future__ import annotations

from dataclasses import dataclass

from crashloop.faults.alone import Alone, fails_at_once
from crashloop.faults.network.name_fault import PHASE, TARGET, NameFault, came
from crashloop.model import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class NameUnknown(NameFault):
    """The name of the target has no address: each look-up fails at once, and nothing is reached."""

    kind = "name_unknown"
    alone = Alone(
        target=TARGET,
        transport=Transport.TCP,
        comes=False,
        by_name=True,
        shows=(
            *fails_at_once(PHASE, "gaierror"),
            came("unknown"),
        ),
        told_by={
            "refuse": "phase_failed",
            "name_late": "phase_failed",
            "wrong_host": "phase_failed",
        },
        ends="the name is there for the app: its network, its resolver or the setting is corrected",
    )

    def answer(self) -> tuple[tuple[str, ...], float]:
        """No address, at once."""
        return (), 0.0

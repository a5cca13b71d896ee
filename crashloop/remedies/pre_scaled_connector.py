"""A connector that is scaled out before the app starts."""

from __future__ import annotations

from dataclasses import replace

from crashloop.errors import OutageError
from crashloop.profiles import NAMES, load
from crashloop.profiles.profile import SCALING
from crashloop.remedies.overlay import Remedied, RemedyKind


def overlay(before: Remedied, _value: str) -> Remedied:
    """Take away the fault of a connector that scales; OutageError if there is none."""
    outage = before.outage
    left = tuple(fault for fault in outage.faults if fault.name != SCALING)
    if len(left) == len(outage.faults):
        scaling = [name for name in NAMES if not load(name).each_instance]
        raise OutageError(
            "pre-scaled-connector: the outage has no connector profile that scales",
            hint=f"for issue-1278, these profiles scale: --connector {' | '.join(scaling)}",
        )
    return before._replace(outage=replace(outage, faults=left))


REMEDY = RemedyKind(
    name="pre-scaled-connector",
    says="scale the connector out before the app starts",
    overlay=overlay,
)

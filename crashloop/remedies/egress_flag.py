"""The right path for the app's traffic: what the earlier issue 1263 did, and is no remedy here.

It cures a path that leads nowhere. A path whose capacity is short stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from crashloop.remedies.overlay import Remedied, RemedyKind

MISROUTED = "misrouted-path"
"""The fault that is a path which leads nowhere."""


def overlay(before: Remedied, _value: str) -> Remedied:
    """Take away a path that leads nowhere, and nothing else."""
    outage = before.outage
    left = tuple(fault for fault in outage.faults if fault.name != MISROUTED)
    return before._replace(outage=replace(outage, faults=left))


REMEDY = RemedyKind(
    name="egress-flag",
    says="correct the connector's flags, so that the traffic takes the right path",
    overlay=overlay,
)

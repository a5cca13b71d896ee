"""The states of a server that look alike from outside, and which it shows itself."""

from __future__ import annotations

from crashloop.model import CheckSpec

STATES = (
    "database.lock_waiting",
    "database.orphan_waiting",
    "database.recovering",
    "database.starting",
    "database.statement_running",
    "process.stopped",
)
"""The kinds of the events, each of one state; no fault leads to two of them."""


def showed(target: str, event: str) -> CheckSpec:
    """The check that the target showed this state and no other."""
    others = tuple(each for each in STATES if each != event)
    params = {"target": target, "event": event, "others": others}
    return CheckSpec(check="server_showed", params=params)

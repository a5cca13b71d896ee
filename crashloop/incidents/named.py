"""The names in an outage and its signature that look like others which are known.

A trigger may wait for any event, and an app of the user's may have any phase. So only a name that
is nearly a known one is refused.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from crashloop.apps.table import known_names
from crashloop.errors import UsageError
from crashloop.faults import REPLICAS
from crashloop.platforms.probes import Purpose

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from crashloop.model import CheckSpec, Moment, Outage

EVENTS = (
    "baseline.passed",
    "process.started",
    "process.exited",
    "phase.started",
    "phase.completed",
    "phase.failed",
    "probe.passed",
    "probe.failed",
    "process.killed",
    "link.held",
    "ready.answered",
    "journey.step",
    "fault.injected",
    "fault.healed",
)
FIELDS = (
    *("replica", "attempt", "target", "source"),
    *("exit_code", "signal", "phase", "probe", "fault", "ready", "step", "plugged"),
)
"""The events that docs/incidents.md names, and their fields; a trigger can wait for any other."""

NEAR = 0.8
"""How alike two names are of which one is a slip of the other, by difflib; chosen."""
NEAR_EVENT = 0.86
"""That of events: process.exit is a slip of process.exited, process.signalled is another event."""


class Names:
    """What is known of an outage, by the field or parameter that names it."""

    def __init__(self, outage: Outage, phases: Collection[str]) -> None:
        self._known: Mapping[str, Collection[str]] = {
            "phase": phases,
            "after": phases,
            "phases": phases,
            "target": (*(each.name for each in outage.dependencies), REPLICAS),
            "fault": [each.name for each in outage.faults],
            "cause": [each.name for each in outage.faults],
            "probe": tuple(Purpose),
            "event": EVENTS,
        }

    def require(self, whose: str, named: Mapping[str, object]) -> None:
        """Raise UsageError for a value that is nearly a known one."""
        for name, value in named.items():
            for one in value if isinstance(value, tuple | list) else (value,):
                require_meant(f"{whose} {name}", one, self._known.get(name, ()))


def require_meant(whose: str, name: object, known: Collection[str], *, near: float = NEAR) -> None:
    """Raise UsageError for a name that is nearly a known one; `whose` begins the message."""
    if not isinstance(name, str) or name in known:
        return
    if meant := difflib.get_close_matches(name, known, n=1, cutoff=near):
        raise UsageError(
            f"{whose} {name!r}, which is unknown",
            hint=f"did you mean {meant[0]}? known: {', '.join(known)}",
        )


def require_outage(outage: Outage, expect: Sequence[CheckSpec], phases: Collection[str]) -> None:
    """Raise UsageError for a name in an outage, or in what it looks like, that is a slip."""
    names = Names(outage, phases)
    names.require("it is about", {"phase": outage.phase})
    for fault in outage.faults:
        for trigger in (fault.inject, fault.heal):
            for moment in trigger.moments():
                waits = f"the fault {fault.name!r} waits for"
                _require_moment(waits, moment, names)
                _require_values(f"{waits} {moment.on}", moment, outage.replicas.most)
    for spec in expect:
        names.require(f"its check {spec.check} names the", spec.params)


def _require_moment(waits: str, moment: Moment, names: Names) -> None:
    if "." not in moment.on:  # every kind of event is dotted
        raise UsageError(
            f"{waits} {moment.on!r}, which is no event", hint=known_names(moment.on, EVENTS)
        )
    require_meant(f"{waits} the event", moment.on, EVENTS, near=NEAR_EVENT)
    for field in moment.where:
        require_meant(f"{waits} {moment.on} with the field", field, FIELDS)
    names.require(f"{waits} {moment.on} with the", moment.where)


def _require_values(waits: str, moment: Moment, replicas: int) -> None:
    """Refuse a value that no event can have, and a time that does not come."""
    bounds = {"replica": replicas, "attempt": math.inf}
    for field, value in moment.where.items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if field in bounds and not (is_number and 1 <= float(value) <= bounds[field]):
            most = f" to {replicas}" if field == "replica" else " on"
            raise UsageError(f"{waits} with {field}={value!r}", hint=f"{field} is 1{most}")
        if field in {"ready", "plugged"} and not isinstance(value, bool):
            raise UsageError(f"{waits} with {field}={value!r}", hint=f"{field} is True or False")
    if not (math.isfinite(moment.after_s) and moment.after_s >= 0):
        raise UsageError(
            f"{waits} and then for {moment.after_s:g} s",
            hint="after_s is a number of seconds, 0 or more",
        )

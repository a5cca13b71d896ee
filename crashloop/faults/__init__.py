"""The faults that a scenario may plan: every kind of the built-in proxy, by its name.

A fault's receipt has a grade. *direct*: the proxy held or delayed that connection. *kernel*: the
kernel acted before user space saw anything (a dropped SYN), so the witness is a SYN_SENT socket of
the app's process. *client*: the witness is the app's own ECONNREFUSED while the gate was shut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.proxy.faults import KINDS, attributes

if TYPE_CHECKING:
    from crashloop.clock import TimeScale
    from crashloop.model import PlannedFault
    from crashloop.proxy.attribute import Attribute
    from crashloop.proxy.faults import Fault


def fault_kind(kind: str) -> type[Fault]:
    """The kind by name; UsageError that lists the known ones."""
    found = KINDS.get(kind)
    if found is None:
        raise UsageError(f"unknown fault {kind!r}", hint=f"known: {', '.join(sorted(KINDS))}")
    return found


def build(fault: PlannedFault, scale: TimeScale) -> Fault:
    """The proxy's fault for a planned one: the incident's seconds become wall seconds here.

    Raises UsageError for parameters that the kind does not have, or that have no meaning.
    """
    kind = fault_kind(fault.kind)
    known = attributes(kind)
    unknown = sorted(set(fault.params) - set(known))
    if unknown:
        raise UsageError(
            f"the fault {fault.kind} has no parameter {', '.join(unknown)}",
            hint=f"known: {', '.join(known) or 'none'}",
        )
    return kind(**{name: _wall(known[name], value, scale) for name, value in fault.params.items()})


def _wall(attribute: Attribute, value: float, scale: TimeScale) -> float:
    match attribute.unit:
        case "s":
            return scale.wall_s(value)
        case "bytes/s":
            return round(value * scale.factor)
        case "count":
            return int(value)
        case "flag":
            return bool(value)

"""Every fault by its kind: what it needs, who can witness it, and how it is built.

A fault's receipt has a grade. *direct*: the proxy held or delayed that connection. *kernel*: the
kernel acted before user space saw anything (a dropped SYN), so the witness is a SYN_SENT socket of
the app's process. *client*: the witness is the app's own ECONNREFUSED while the gate was shut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.faults import connect, link
from crashloop.model import Grade, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.clock import TimeScale
    from crashloop.model import PlannedFault
    from crashloop.proxy.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """What a kind of fault declares: its witness, where it can act, and what it is in words."""

    grade: Grade
    transports: frozenset[Transport]
    says: str
    build: Callable[[Mapping[str, float], TimeScale], Fault]


_BOTH = frozenset(Transport)
_TCP = frozenset({Transport.TCP})

FAULTS: dict[str, FaultKind] = {
    "hold": FaultKind(
        grade=Grade.DIRECT,
        transports=_BOTH,
        says="accepted, then silent until released",
        build=connect.hold,
    ),
    "black_hole": FaultKind(
        grade=Grade.KERNEL,
        transports=_TCP,
        says="every SYN dropped: connect() never finishes",
        build=connect.black_hole,
    ),
    "connect_delay": FaultKind(
        grade=Grade.KERNEL,
        transports=_TCP,
        says="SYNs dropped until the delay has passed: connect() finishes late",
        build=connect.connect_delay,
    ),
    "refuse": FaultKind(
        grade=Grade.CLIENT,
        transports=_BOTH,
        says="refused at once",
        build=connect.refuse,
    ),
    "latency": FaultKind(
        grade=Grade.DIRECT,
        transports=_BOTH,
        says="every chunk from the database delayed",
        build=link.latency,
    ),
}


def fault_kind(kind: str) -> FaultKind:
    """The kind by name; UsageError that lists the known ones."""
    found = FAULTS.get(kind)
    if found is None:
        raise UsageError(f"unknown fault {kind!r}", hint=f"known: {', '.join(sorted(FAULTS))}")
    return found


def build(fault: PlannedFault, scale: TimeScale) -> Fault:
    """The proxy's fault for a planned one: the incident's seconds become wall seconds here."""
    return fault_kind(fault.kind).build(fault.params, scale)

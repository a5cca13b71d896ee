"""A planned fault: what is done to what, when, and which observations show that it acted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.trigger import Trigger, Value

ALONE = "fault:"
"""How the name of a run of one fault alone begins, in place of an incident's."""

Whose = Literal["link", "app", "server"]
"""Whose a receipt is.

"link": a connection, or a SYN, of a life's own process. "app": a line of the life's own log.
"server": the server's or the system's word about the target; it covers every life of which a
process came to the target meanwhile.
"""


class Grade(StrEnum):
    """Who saw the fault act: see `crashloop.faults`."""

    DIRECT = "direct"
    KERNEL = "kernel"
    CLIENT = "client"
    SERVER = "server"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Which events show that a fault acted: their kinds, fields that they must have, and whose.

    Events of "link" receipts also name the fault. Those of "server" receipts have the fault's
    target and lie between its injection and its heal.
    """

    grade: Grade
    kinds: tuple[str, ...]
    whose: Whose = "link"
    where: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault, its target, and when it is injected and healed.

    `kind` names one of `crashloop.faults.KINDS`, `params` are its fields in seconds of the
    incident, `target` is a dependency's name, or "replicas". `receipt` is what the kind declares,
    written out so that a trace needs no registry. `each_life`: it is injected again, by the same
    triggers, after each heal.
    """

    name: str
    target: str
    kind: str
    receipt: Receipt
    inject: Trigger
    heal: Trigger
    params: Mapping[str, Value] = field(default_factory=dict)
    each_life: bool = False

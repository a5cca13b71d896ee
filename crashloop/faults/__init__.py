"""The faults that a scenario may plan, by name.

A fault's receipt has a grade, which is the word of whoever saw it act. *direct*: the proxy held,
delayed, refused or cut that connection. *kernel*: the kernel dropped a SYN of the app's process.
*client*: the app's own ECONNREFUSED while the gate was shut. *server*: Postgres or Redis says so
itself. *process*: /proc, a wait status, or Docker says it of the process that the fault acts on.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from crashloop.clock import REAL_TIME, TimeScale
from crashloop.errors import UsageError
from crashloop.faults import (
    cache,
    cache_refused,
    cache_silent,
    database,
    network,
    process,
    proxied,
    revision,
)
from crashloop.faults.base import REPLICAS
from crashloop.faults.parameter import parameters, refused
from crashloop.model import PlannedFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.faults.base import Fault
    from crashloop.faults.parameter import Parameter
    from crashloop.model import Trigger, Value

__all__ = ["KINDS", "REPLICAS", "build", "fault_kind", "plan", "read_params"]

_ALL: tuple[type[Fault], ...] = (
    *proxied.FAULTS,
    *database.FAULTS,
    cache.Loading,
    cache_refused.CacheRefused,
    cache_silent.CacheSilent,
    revision.RevisionChange,
    *process.FAULTS,
    *network.FAULTS,
)
KINDS: Mapping[str, type[Fault]] = {each.kind: each for each in _ALL}
"""Every fault by its kind's name."""


def fault_kind(kind: str) -> type[Fault]:
    """The fault of this kind; UsageError that lists the known ones."""
    found = KINDS.get(kind)
    if found is None:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"unknown fault {kind!r}", hint=f"{meant}known: {', '.join(sorted(KINDS))}"
        )
    return found


def plan(
    *,
    name: str,
    target: str,
    kind: str,
    inject: Trigger,
    heal: Trigger,
    params: Mapping[str, Value] | None = None,
    each_life: bool = False,
    target_kind: str = "",
) -> PlannedFault:
    """A fault for a scenario; `params` are in seconds of the incident.

    `target_kind` is the kind of the dependency where that is not its name, as of a service. Raises
    UsageError for an unknown kind, a target that it cannot act on, and parameters that `build`
    refuses.
    """
    found = fault_kind(kind)
    if (target_kind or target) not in found.acts_on:
        raise UsageError(
            f"the fault {kind} cannot act on {target!r}",
            hint=f"it acts on: {', '.join(sorted(found.acts_on))}",
        )
    planned = PlannedFault(
        name=name,
        target=target,
        kind=kind,
        receipt=found.receipt,
        inject=inject,
        heal=heal,
        params=dict(params or {}),
        each_life=each_life,
    )
    build(planned, TimeScale(factor=REAL_TIME))
    return planned


def build(planned: PlannedFault, scale: TimeScale) -> Fault:
    """The fault that was planned: the incident's seconds become wall seconds here.

    Raises UsageError for parameters that the kind does not have, that are missing, of the wrong
    type or out of bounds, or that have no meaning together.
    """
    kind = fault_kind(planned.kind)
    known = parameters(kind)
    if unknown := sorted(set(planned.params) - set(known)):
        raise _unknown(planned.kind, unknown[0], known)
    needed = [one for name, one in known.items() if one.is_needed and name not in planned.params]
    if needed:
        raise UsageError(
            f"the fault {planned.kind} needs more parameters: "
            f"{', '.join(one.name for one in needed)}",
            hint="; ".join(f"{one.name} is {one.takes.bounds}" for one in needed),
        )
    given: dict[str, Any] = {
        name: _wall(planned.kind, known[name], value, scale)
        for name, value in planned.params.items()
    }
    return kind(**given)


def read_params(kind: str, texts: Mapping[str, str]) -> dict[str, Value]:
    """The parameters of a fault from their texts, in seconds of the incident.

    Raises UsageError for one that the kind does not have, or that cannot be read.
    """
    known = parameters(fault_kind(kind))
    found: dict[str, Value] = {}
    for name, text in texts.items():
        if name not in known:
            raise _unknown(kind, name, known)
        found[name] = _read(kind, known[name], text)
    return found


def _unknown(kind: str, name: str, known: Mapping[str, Parameter]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return UsageError(
        f"the fault {kind} has no parameter {name!r}",
        hint=f"{meant}known: {', '.join(known) or 'none'}",
    )


def _read(kind: str, one: Parameter, text: str) -> Value:
    match one.takes.unit, text.lower():
        case "text", _:
            return text
        case "flag", "true" | "false":
            return text.lower() == "true"
        case "flag", _:
            raise refused(kind, one, text)
    try:
        return int(text)  # a float could not hold each key of a lock
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise refused(kind, one, text) from None


def _wall(kind: str, one: Parameter, value: Value, scale: TimeScale) -> Value:
    """The value with the incident's seconds as wall seconds; UsageError if it is not allowed."""
    unit = one.takes.unit
    if unit in {"flag", "text"}:
        if isinstance(value, bool if unit == "flag" else str):
            return value
        raise refused(kind, one, value)
    if isinstance(value, bool | str) or not one.takes.allows(value):
        raise refused(kind, one, value)
    if unit == "s":
        return scale.wall_s(value)
    if unit == "bytes/s":
        return round(value * scale.factor)
    if unit in {"share", "MiB"}:
        return value
    if not float(value).is_integer():
        raise refused(kind, one, value)
    return int(value)

"""The faults that a scenario may plan, by name.

A fault's receipt has a grade, which is the word of whoever saw it act. *direct*: the proxy held,
delayed, refused or cut that connection. *kernel*: the kernel dropped a SYN of the app's process.
*client*: the app's own ECONNREFUSED while the gate was shut. *server*: Postgres or Redis says so
itself. *process*: /proc, a wait status, or
Docker says it of the process that the fault acts on.
"""

from __future__ import annotations

import difflib
from dataclasses import fields
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
from crashloop.model import PlannedFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from crashloop.faults.base import Fault
    from crashloop.model import Trigger, Value
    from crashloop.proxy.attribute import Attribute

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

    Raises UsageError for parameters that the kind does not have, that are missing or of the wrong
    type, or that have no meaning.
    """
    kind = fault_kind(planned.kind)
    known = {one.name: one for one in fields(kind)}
    if unknown := sorted(set(planned.params) - set(known)):
        raise UsageError(
            f"the fault {planned.kind} has no parameter {', '.join(unknown)}",
            hint=f"known: {', '.join(known) or 'none'}",
        )
    given: dict[str, Any] = {
        name: _wall(planned.kind, known[name], value, scale)
        for name, value in planned.params.items()
    }
    try:
        return kind(**given)
    except TypeError as error:  # a parameter without a default was not given
        raise UsageError(
            f"the fault {planned.kind} needs more parameters: {error}",
            hint=f"known: {', '.join(known)}",
        ) from error


def read_params(kind: str, texts: Mapping[str, str]) -> dict[str, Value]:
    """The parameters of a fault from their texts, in seconds of the incident.

    Raises UsageError for one that the kind does not have, or that cannot be read.
    """
    known = {one.name: one for one in fields(fault_kind(kind))}
    found: dict[str, Value] = {}
    for name, text in texts.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"the fault {kind} has no parameter {name!r}",
                hint=f"{meant}known: {', '.join(known) or 'none'}",
            )
        found[name] = _read(kind, known[name], text)
    return found


def _read(kind: str, one: Field[Any], text: str) -> Value:
    flags = {"true": True, "false": False}
    match _unit(one):
        case "text":
            return text
        case "flag" if text.lower() in flags:
            return flags[text.lower()]
        case "flag":
            return _wall(kind, one, text, TimeScale(factor=REAL_TIME))
    try:
        return float(text)
    except ValueError:
        return _wall(kind, one, text, TimeScale(factor=REAL_TIME))


def _unit(one: Field[Any]) -> str:
    attribute: Attribute | None = one.metadata.get("api")
    return attribute.unit if attribute else "text" if isinstance(one.default, str) else "share"


def _wall(kind: str, one: Field[Any], value: Value, scale: TimeScale) -> Value:
    unit = _unit(one)
    match unit, value:
        case "flag", bool():
            return value
        case "text", str():
            return value
        case (("s" | "share" | "bytes/s" | "count"), bool() | str()):
            pass
        case "s", _:
            return scale.wall_s(float(value))
        case "share", _:
            return value
        case "bytes/s", _:
            return round(float(value) * scale.factor)
        case "count", _ if float(value).is_integer():
            return int(value)
    amount = {"flag": "true or false", "text": "text", "count": "a whole number"}
    raise UsageError(
        f"the fault {kind} got {one.name}={value!r}",
        hint=f"{one.name} is {amount.get(unit, 'a number')}",
    )

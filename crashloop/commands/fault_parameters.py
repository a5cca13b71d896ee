"""The parameters of a fault as `crashloop faults` shows them, and commands that use them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from crashloop.durations import plain
from crashloop.faults.parameter import Parameter, parameters
from crashloop.faults.proxied import OF_ANY_PATH
from crashloop.incidents import INCIDENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.faults.base import Fault
    from crashloop.model import Value


def ordered(kind: type[Fault]) -> list[Parameter]:
    """The parameters: those that are needed, the fault's other ones, then those of any path."""
    return sorted(
        parameters(kind).values(), key=lambda one: (not one.is_needed, one.name in OF_ANY_PATH)
    )


def described(kind: type[Fault]) -> dict[str, str]:
    """What each parameter takes, its default, and its value where the fault is run alone."""
    chosen = kind.alone.params if kind.alone else {}
    return {
        one.name: "; ".join((one.takes.bounds, *_defaults(one, chosen))) for one in ordered(kind)
    }


def document(kind: type[Fault]) -> list[dict[str, Any]]:
    """The parameters, as JSON; `alone` is a value where the fault is run alone."""
    chosen = kind.alone.params if kind.alone else {}
    return [
        {
            "name": one.name,
            "unit": one.takes.unit,
            "takes": one.takes.bounds,
            "needed": one.is_needed,
            "default": one.default,
            "alone": chosen.get(one.name, one.default),
        }
        for one in ordered(kind)
    ]


def commands(kind: type[Fault]) -> list[str]:
    """Commands that make the fault happen, to be pasted."""
    if kind.alone is None:
        return [f"crashloop reproduce {name}" for name in incidents_with(kind)]
    alone = kind.alone
    amounts = [alone.params, {**alone.params, **alone.example}]
    names = [kind.kind, *(f"{kind.kind}:{_given(each)}" for each in amounts if each)]
    return [
        shlex.join(("crashloop", "reproduce", "--fault", each)) for each in dict.fromkeys(names)
    ]


def incidents_with(kind: type[Fault]) -> list[str]:
    """The incidents of the library that the fault is a part of."""
    return [
        name
        for name, one in INCIDENTS.items()
        if kind.kind in {fault.kind for fault in one.outage(one.defaults).faults}
    ]


def text(value: object) -> str:
    """A value as it is given on the command line."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return plain(value)
    return str(value)


def _defaults(one: Parameter, chosen: Mapping[str, Value]) -> list[str]:
    found = []
    if one.name in chosen:
        found.append(f"{text(chosen[one.name])} where the fault is run alone")
    if not one.is_needed:
        found.append(f"default {'none' if one.default in {None, ''} else text(one.default)}")
    return found


def _given(amounts: Mapping[str, Value]) -> str:
    return ",".join(f"{name}={text(value)}" for name, value in amounts.items())

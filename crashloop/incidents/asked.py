"""What a signature asks for: whether there are such checks, and whether they take such values."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, get_args

from crashloop.apps.table import known_names
from crashloop.checks import CHECKS
from crashloop.checks.lives import Replicas
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from crashloop.model import CheckSpec

_TAKES = {
    "str": "a text",
    "int": "a whole number, 0 or more",
    "float": "a number, 0 or more",
    "bool": "True or False",
    "Replicas": " or ".join(map(repr, get_args(Replicas))),
    "Sequence[str]": 'several texts, as in ("57P03",)',
    "Sequence[int]": "several whole numbers, as in (1, 3)",
}
"""What may be given, in words, by the annotations of the checks."""


def require_possible(whose: str, spec: CheckSpec) -> None:
    """Raise UsageError, which begins with `whose`, for a check that cannot be asked so."""
    check = CHECKS.get(spec.check)
    if check is None:
        raise UsageError(
            f"{whose} asks for {spec.check!r}, which is no check",
            hint=known_names(str(spec.check), sorted(CHECKS)),
        )
    takes = dict([*inspect.signature(check).parameters.items()][1:])
    for name in spec.params:
        if name not in takes:
            raise UsageError(
                f"{whose} cannot ask {spec.check}: it takes no {name!r}",
                hint=known_names(name, takes),
            )
    for name, one in takes.items():
        if name not in spec.params and one.default is one.empty:
            raise UsageError(
                f"{whose} cannot ask {spec.check} without {name!r}",
                hint=f"it takes: {', '.join(takes)}",
            )
    for name, value in spec.params.items():
        annotation, _, is_optional = str(takes[name].annotation).partition(" | ")
        if not (is_optional and value is None) and not _fits(value, annotation):
            raise UsageError(
                f"{whose} asks {spec.check} with {name}={value!r}",
                hint=f"{name} is {_TAKES[annotation]}",
            )


def _fits(value: object, annotation: str) -> bool:
    match annotation:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "Replicas":
            return value in get_args(Replicas)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        case "float":
            number = math.nan if isinstance(value, bool) else value
            return isinstance(number, int | float) and 0 <= number < math.inf
    of = annotation.removeprefix("Sequence[").removesuffix("]")
    return isinstance(value, tuple | list) and all(_fits(one, of) for one in value)

"""What each parameter of a fault takes: its unit and its bounds, declared once with its field."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from crashloop.durations import plain
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from crashloop.faults.base import Fault
    from crashloop.model import Value

Unit = Literal["s", "bytes/s", "bytes", "MiB", "count", "share", "flag", "text"]

LONGEST_S = 3600
MOST = 10**12
"""Of bytes, and of what is counted: more than any run meets."""

_WORDS: Mapping[Unit, str] = {
    "s": "seconds",
    "bytes/s": "bytes a second",
    "bytes": "a whole number of bytes",
    "MiB": "MiB",
    "count": "a whole number",
    "share": "a share",
    "flag": "true or false",
    "text": "text",
}
_MOST: Mapping[Unit, int] = {"s": LONGEST_S, "share": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a parameter takes: a number of `unit` from `least` to `most`, a flag, or a text.

    `above`: it must be more than `least`. `says` is which text it takes, or what a number means.
    """

    unit: Unit
    least: float = 0
    most: float = MOST
    above: bool = False
    says: str = ""

    @property
    def bounds(self) -> str:
        """What may be given, in words."""
        words = _WORDS[self.unit]
        if self.unit == "text":
            return self.says or words
        if self.unit != "flag":
            words += f", {self._range}"
        return f"{words} ({self.says})" if self.says else words

    @property
    def _range(self) -> str:
        low, most = _shown(self.least), _shown(self.most)
        if self.above:
            return f"more than {low}, {most} at most"
        return f"{low} or more" if self.most == MOST else f"{low} to {most}"

    def allows(self, value: float) -> bool:
        """Whether a number is within the bounds; what is not a number is not."""
        return self.least <= value <= self.most and not (self.above and value == self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a fault, as a user gives it; it has no default if it `is_needed`."""

    name: str
    takes: Takes
    default: Value | None
    is_needed: bool


def takes(
    unit: Unit,
    *,
    least: float = 0,
    most: float | None = None,
    above: bool = False,
    says: str = "",
) -> dict[str, Takes]:
    """The metadata of a fault's field; `most` is that of the unit where none is given."""
    highest = _MOST.get(unit, MOST) if most is None else most
    return {"takes": Takes(unit=unit, least=least, most=highest, above=above, says=says)}


def parameters(kind: type[Fault]) -> dict[str, Parameter]:
    """The parameters of a fault, by name."""
    return {one.name: _parameter(one) for one in fields(kind)}


def refused(kind: str, one: Parameter, value: object) -> UsageError:
    """The error for a value that a parameter does not take."""
    return UsageError(
        f"the fault {kind} got {one.name}={value!r}", hint=f"{one.name} is {one.takes.bounds}"
    )


def _parameter(one: Field[Any]) -> Parameter:
    default: Any = one.default
    is_needed = default is MISSING
    return Parameter(
        name=one.name,
        takes=one.metadata["takes"],
        default=None if is_needed else default,
        is_needed=is_needed,
    )


def _shown(number: float) -> str:
    return str(number) if isinstance(number, int) else plain(number)

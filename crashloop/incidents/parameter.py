"""One parameter of an incident, and the values that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

Params = dict[str, str | float | int]
ALIASES = {"policy": "platform"}
"""Older names of parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an incident: its default, its bounds or choices, and its meaning.

    Numbers have `low` and `high`, words have `choices` (empty: free text).
    """

    default: str | float | int
    says: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def read(self, name: str, value: object) -> str | float | int:
        """The value in the parameter's own type; UsageError with the name and what is allowed."""
        if isinstance(self.default, str):
            text = str(value)
            if self.choices and text not in self.choices:
                raise UsageError(
                    f"{name}={text} is not possible",
                    hint=f"choose one of {', '.join(self.choices)}",
                )
            if name == "platform":
                parse_platform(text)
            return text
        try:
            number = type(self.default)(str(value))
        except ValueError:
            kind = "a whole number" if isinstance(self.default, int) else "a number"
            raise UsageError(f"{name}={value} is not {kind}", hint=self.says) from None
        if not self.low <= number <= self.high:
            raise UsageError(
                f"{name}={value} is out of bounds",
                hint=f"{self.says}; {self.low:g} to {self.high:g}",
            )
        return number


def read_params(
    incident: str, known: Mapping[str, Parameter], given: Mapping[str, object]
) -> Params:
    """Every parameter of an incident, checked, with its default where none is given."""
    values: dict[str, object] = {}
    for alias, value in given.items():
        name = ALIASES.get(alias, alias)
        if name not in known:
            raise UsageError(
                f"{incident} has no parameter {alias!r}", hint=f"it has: {', '.join(known)}"
            )
        if name in values:
            raise UsageError(
                f"{alias} and {name} are the same parameter", hint=f"give {name} alone"
            )
        values[name] = value
    return {name: one.read(name, values.get(name, one.default)) for name, one in known.items()}

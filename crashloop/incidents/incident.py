"""The record of a real outage: where it is documented, its parameters, how to run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.model import Role, Scenario, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = str | float | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an incident: its default, its bounds or choices, and its meaning.

    Numbers have `low` and `high`, words have `choices` (empty: free text).
    """

    default: Value
    says: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def read(self, name: str, value: object) -> Value:
        """The value in the parameter's own type; UsageError with the name and what is allowed."""
        if isinstance(self.default, str):
            text = str(value)
            if self.choices and text not in self.choices:
                raise UsageError(
                    f"{name}={text} is not possible",
                    hint=f"choose one of {', '.join(self.choices)}",
                )
            return text
        try:
            number = type(self.default)(str(value))
        except ValueError:
            raise UsageError(f"{name}={value} is not a number", hint=self.says) from None
        if not self.low <= number <= self.high:
            raise UsageError(
                f"{name}={value} is out of bounds",
                hint=f"{self.says}; {self.low:g} to {self.high:g}",
            )
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A real outage with a source.

    `build` makes the scenario of one role from checked parameters; `look_alikes` are what the
    signature must not accept; `remedy` is what the proof's third run switches on; `healthy` is the
    signature that its control run must show.
    """

    name: str
    title: str
    source: str
    facts: tuple[str, ...]
    look_alikes: tuple[str, ...]
    remedy: str
    healthy: Signature
    parameters: Mapping[str, Parameter]
    build: Callable[[Role, Mapping[str, Value]], Scenario]

    def scenario(self, role: Role = Role.REPRODUCTION, /, **params: Any) -> Scenario:
        """The scenario for `role`; UsageError for a parameter it does not have or cannot take."""
        for name in params:
            if name not in self.parameters:
                raise UsageError(
                    f"{self.name} has no parameter {name!r}",
                    hint=f"it has: {', '.join(self.parameters)}",
                )
        values = {
            name: parameter.read(name, params.get(name, parameter.default))
            for name, parameter in self.parameters.items()
        }
        return self.build(role, values)

"""One parameter of a fault as the API writes it: its name, its unit and its bound there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A fault's field in the API; `field(metadata=...)` of the fault's class carries it.

    `unit` is the field's own; the API's number is `factor` times as large, and its default is zero
    or false. `least` is the smallest number that has a meaning.
    """

    name: str
    unit: Literal["s", "bytes/s", "count", "flag"]
    factor: float = 1
    least: int = 0

    @property
    def takes_fractions(self) -> bool:
        """Whether the API takes a number with a fraction."""
        return self.factor != 1

    def encode(self, value: Scalar) -> Scalar:
        """The API's number for a value of the field."""
        if self.unit == "flag":
            return bool(value)
        number = round(value * self.factor, 6)
        return int(number) if number == int(number) else number

    def decode(self, value: Scalar) -> Scalar:
        """The field's value for a number of the API."""
        if self.unit == "flag":
            return bool(value)
        return value / self.factor if self.unit == "s" else round(value / self.factor)


def milliseconds(name: str) -> dict[str, Attribute]:
    """Seconds, which the API writes in milliseconds."""
    return {"api": Attribute(name=name, unit="s", factor=1e3)}


def microseconds(name: str) -> dict[str, Attribute]:
    """Seconds, which the API writes in microseconds."""
    return {"api": Attribute(name=name, unit="s", factor=1e6)}


def rate(name: str) -> dict[str, Attribute]:
    """Bytes a second, which the API writes in kilobytes (1000 bytes) a second."""
    return {"api": Attribute(name=name, unit="bytes/s", factor=1e-3)}


def count(name: str, *, least: int = 0) -> dict[str, Attribute]:
    """A whole number, the same in the API."""
    return {"api": Attribute(name=name, unit="count", least=least)}


def flag(name: str) -> dict[str, Attribute]:
    """True or false, the same in the API."""
    return {"api": Attribute(name=name, unit="flag")}

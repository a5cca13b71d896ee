"""A table of a TOML file, read by the types that its fields must have."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from crashloop.apps.source import Source


def known_names(wrong: str, known: Collection[str]) -> str:
    """The hint about a name that is not known: the nearest one, and all that are known."""
    near = difflib.get_close_matches(wrong, known, n=1)
    suggestion = f"did you mean {near[0]}? " if near else ""
    return f"{suggestion}known: {', '.join(known) or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The values of a table and its place. Each method raises UsageError for a wrong value."""

    values: Mapping[str, Any]
    source: Source

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def at(self, *keys: str | int) -> Source:
        """The place of a value in the table."""
        return self.source.at(*keys)

    def require_fields(self, known: Collection[str], *, of: str) -> None:
        """Refuse a field that is not known; `of` says what has the fields."""
        for field in self.values:
            if field not in known:
                raise self.at(field).error(
                    f"{of} has no field {field!r}", hint=known_names(field, known)
                )

    def text(self, key: str, default: str = "") -> str:
        """The text under a key."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.at(key).error(f"`{key}` must be a text, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under a key."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.at(key).error(f"`{key}` must be a list of texts, not {value!r}")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.at(key).error(f"`{key}` must be true or false, not {value!r}")
        return value

    def seconds(self, key: str, default: float) -> float:
        """A number of seconds above 0; `default` may be 0."""
        value = self.values.get(key)
        if value is None:
            return default
        if not _is_number(value) or not 0 < value < float("inf"):
            raise self.at(key).error(f"`{key}` must be a number of seconds above 0, not {value!r}")
        return float(value)

    def integers(self, key: str, within: range) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(each, int) and not isinstance(each, bool) and each in within
            for each in value
        ):
            raise self.at(key).error(
                f"`{key}` must be a list of whole numbers from {within[0]} to {within[-1]}, "
                f"not {value!r}"
            )
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the first by default."""
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.at(key).error(
                f"`{key}` cannot be {value!r}", hint=f"possible: {', '.join(filter(None, choices))}"
            )
        return value

    def table(self, key: str) -> Table:
        """The table under a key, empty if there is none."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.at(key).error(f"`{key}` must be a table, not {value!r}")
        return Table(values=value, source=self.at(key))

    def tables(self, key: str) -> dict[str, Table]:
        """The tables of a table by name."""
        table = self.table(key)
        return {name: table.table(name) for name in table.values}

    def steps(self, key: str) -> list[Table]:
        """The list of tables under a key."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.at(key).error(f"`{key}` must be a list of steps, not {value!r}")
        return [
            Table(values=each, source=self.at(key, number)) for number, each in enumerate(value)
        ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

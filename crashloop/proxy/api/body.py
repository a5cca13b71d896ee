"""JSON bodies: members read by name, and a warning for each unknown one."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

from crashloop.proxy.api.error import bad_body

T = TypeVar("T")
D = TypeVar("D")

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_MAX_SHOWN_CHARS = 100
_MAX_WARNINGS = 20
_TYPES: dict[type, str] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "an array",
    str: "a string",
}


def parse(body: bytes) -> Any:
    """The JSON value of a body; ApiError 400."""
    try:
        return json.loads(body, parse_constant=_reject)
    except (ValueError, RecursionError) as error:
        raise bad_body(str(error)) from None


class Members:
    """The members of a JSON object, read by name in any case; null counts as absent.

    `what` is the object in messages. `warnings` gets a line for each member that was not read,
    when `end` is called.
    """

    def __init__(self, value: Any, what: str, warnings: list[str]) -> None:
        self._what = what
        self._warnings = warnings
        self._known: list[str] = []
        members = {} if value is None else typed(value, dict, what)
        self._left = {key.lower(): (key, one) for key, one in members.items()}

    def take(self, name: str, kind: type[T], default: D) -> T | D:
        """Read one member; ApiError 400 if it is of another type."""
        self._known.append(name)
        _, value = self._left.pop(name.lower(), ("", None))
        return default if value is None else typed(value, kind, f"{name} of {self._what}")

    def skip(self, *names: str) -> None:
        """Pass over members that are known and mean nothing here."""
        for name in names:
            self._left.pop(name.lower(), None)

    def end(self) -> None:
        """Warn of the members that were not read."""
        known = ", ".join(self._known) or "nothing"
        for key, _ in self._left.values():
            if len(self._warnings) < _MAX_WARNINGS:
                text = f"{self._what}: {shown(key)} is unknown and was ignored; known: {known}"
                self._warnings.append(text)


def typed(value: Any, kind: type[T], what: str) -> T:
    """The value, if it is of that type; ApiError 400. A whole number is a number, too."""
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise bad_body(f"{what} must be {_TYPES[kind]}, not {shown(value)}")
    if isinstance(value, str) and not value.isascii() and _HALF_A_PAIR.search(value):
        raise bad_body(f"{what} has half of a surrogate pair: {shown(value)}")
    return value  # type: ignore[no-any-return]  # checked


def shown(value: object) -> str:
    """A value for a message, in one line, cut; text in quotes that JSON need not escape."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}..."


def _reject(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

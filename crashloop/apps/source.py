"""A place in a TOML file, for messages that name file and line."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.model import AppUnderTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file's text, and how far into it a value is; printed as `file:line`.

    The standard library's parser knows no lines, so that a key is searched for in the text: the
    line is a hint, and in an unusual layout it may be that of the table.
    """

    path: Path
    text: str
    offset: int = 0

    def at(self, *keys: str) -> Source:
        """The place of a key, each key searched for after the one before; as far as found."""
        offset = self.offset
        for key in keys:
            found = re.compile(
                rf"""(?:^|[{{,.\[])[ \t]*["']?{re.escape(key)}["']?[ \t]*[=.\]]""", re.MULTILINE
            ).search(self.text, offset)
            if found is None:
                break
            offset = found.end() - 1
        return replace(self, offset=offset)

    def __str__(self) -> str:
        return f"{self.path}:{self.text.count(chr(10), 0, self.offset) + 1}"

    def error(self, message: str, *, hint: str = "") -> UsageError:
        """A UsageError about this place."""
        return UsageError(f"{self}: {message}", hint=hint)

    def text_of(self, table: dict[str, Any], key: str, default: str = "") -> str:
        """The text under a key; UsageError if it is something else."""
        value = table.get(key, default)
        if not isinstance(value, str):
            raise self.at(key).error(f"`{key}` must be a text, not {value!r}")
        return value

    def texts(self, table: dict[str, Any], key: str) -> list[str]:
        """The list of texts under a key; UsageError if it is something else."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.at(key).error(f"`{key}` must be a list of texts")
        return value

    def table(self, table: dict[str, Any], key: str) -> dict[str, Any]:
        """The table under a key, empty if there is none; UsageError if it is something else."""
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise self.at(key).error(f"`{key}` must be a table")
        return value


@contextlib.contextmanager
def about_entry(app: AppUnderTest) -> Iterator[None]:
    """Begin the message of a UsageError with the place of the app's entry, if it has one."""
    try:
        yield
    except UsageError as error:
        if not app.source:
            raise
        raise UsageError(f"{app.source}: {error.message}", hint=error.hint) from None

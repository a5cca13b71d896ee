"""A place in a TOML file, for messages that name file and line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashloop.apps.lines import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with the lines of its keys, and the keys that lead to a value in it.

    Printed as `file:line`. Where the value is missing, the line is that of the table around it; the
    whole file has none.
    """

    path: Path
    lines: Mapping[Keys, int]
    keys: Keys = ()

    def at(self, *keys: str | int) -> Source:
        """The place of a value below this one."""
        return replace(self, keys=(*self.keys, *keys))

    def __str__(self) -> str:
        for length in range(len(self.keys), 0, -1):
            if line := self.lines.get(self.keys[:length]):
                return f"{self.path}:{line}"
        return str(self.path)

    def error(self, message: str, *, hint: str = "") -> UsageError:
        """A UsageError about this place."""
        return UsageError(f"{self}: {message}", hint=hint)

"""The output of a command that is no life of the app, kept in a file without its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.engines.output import MAX_LINE_CHARS, MAX_LINES

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.trace.redact import Redactor


class CommandLog:
    """Writes at most 20,000 lines, redacted and then cut, into a file."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._lines = 0
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def line(self, text: str) -> None:
        """Take the next line."""
        self._lines += 1
        if self._lines <= MAX_LINES and not self._file.closed:
            self._file.write(self._redactor.text(text)[:MAX_LINE_CHARS] + "\n")

    def close(self) -> None:
        """Close the file; no more lines are taken."""
        self._file.close()

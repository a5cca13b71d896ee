"""Lines of progress, where no live view can be."""

from __future__ import annotations

from typing import IO

from crashloop.report.clean import clean

MAX_CHARS = 400


class PlainLines:
    """Writes lines to a stream; a reader that goes away ends the lines, not the command."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream

    def write(self, text: str) -> None:
        """Write a line now."""
        if self._stream is None:
            return
        try:
            self._stream.write(f"{clean(text, MAX_CHARS)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

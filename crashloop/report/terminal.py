"""Lines to a terminal: each tone gets a style. No text acts on it, as markup or by escapes."""

from __future__ import annotations

import shutil
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from crashloop.report.clean import harmless
from crashloop.report.document import discard
from crashloop.report.glyphs import glyphs_for
from crashloop.report.lines import Line, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WIDTH = 120
PIPED_WIDTH = 100

STYLES: dict[Tone, str] = {
    Tone.PLAIN: "",
    Tone.DIM: "dim",
    Tone.HEAD: "bold",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.DOUBT: "yellow",
    Tone.FAULT: "magenta",
    Tone.FAULT_LABEL: "bold magenta",
    Tone.BOOT: "dim",
    Tone.DONE: "green",
    Tone.FAILED: "red",
    Tone.FAILED_LABEL: "bold white on red",
    Tone.DEGRADED: "yellow",
    Tone.DEGRADED_LABEL: "bold black on yellow",
    Tone.RUNNING: "cyan",
    Tone.SERVING: "green",
    Tone.READY: "bold green",
    Tone.REPRODUCED: "bold black on green",
    Tone.NOT_REPRODUCED: "bold black on yellow",
    Tone.INCONCLUSIVE: "bold white on magenta",
    Tone.HARNESS_ERROR: "bold white on red",
}


class _Console(Console):
    """Rich's console, but a reader that goes away (`| head`) does not end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard(self.file)


class Terminal:
    """Where a command writes: its width, its characters, and whether it can be redrawn."""

    def __init__(self, stream: IO[str]) -> None:
        self.console = _Console(file=stream, markup=False, highlight=False, emoji=False)
        self.glyphs = glyphs_for(getattr(stream, "encoding", None))
        self._is_a_tty = stream.isatty()

    @property
    def is_live(self) -> bool:
        """Whether a line can be drawn again: a terminal that is not dumb."""
        return self._is_a_tty and not self.console.is_dumb_terminal

    @property
    def width(self) -> int:
        """Columns to draw to: the terminal's, 120 at most; 100 if it is a pipe or a file."""
        if self._is_a_tty:
            return min(self.console.width, MAX_WIDTH)
        return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns

    def show(self, lines: Iterable[Line]) -> None:
        """Print the lines; a line that is too long (a path, a command) stays in one piece."""
        for one in lines:
            self.console.print(rich_text([one]), soft_wrap=True)


def rich_text(lines: Iterable[Line]) -> Text:
    """The lines as one text with styles."""
    text = Text(no_wrap=True, overflow="crop", end="")
    for n, one in enumerate(lines):
        if n:
            text.append("\n")
        for span in one:
            text.append(harmless(span.text), STYLES[span.tone])
    return text

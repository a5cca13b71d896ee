"""A part of the terminal that is drawn again and again."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from rich.live import Live

if TYPE_CHECKING:
    from rich.text import Text

    from crashloop.report.terminal import Terminal


class Redrawn(ABC):
    """A context manager; while it is entered, a thread draws `_draw` so often a second.

    What is drawn is removed at the end. A slow terminal delays nothing but the drawing.
    """

    def __init__(self, terminal: Terminal, *, times_per_s: int) -> None:
        self._terminal = terminal
        self._times_per_s = times_per_s

    def __enter__(self) -> Self:
        self._live = Live(
            console=self._terminal.console,
            get_renderable=self._draw,
            refresh_per_second=self._times_per_s,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._live.stop()

    @abstractmethod
    def _draw(self) -> Text:
        """What is to be seen now."""

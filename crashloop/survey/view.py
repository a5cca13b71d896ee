"""What many runs show while they are made: all on a terminal, else a line for each that ends."""

from __future__ import annotations

import re
import time
from typing import IO, TYPE_CHECKING, Self

from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line
from crashloop.report.plain_lines import PlainLines
from crashloop.report.redrawn import Redrawn
from crashloop.report.terminal import MAX_WIDTH, Terminal, rich_text
from crashloop.survey.table import OUTCOME, name_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from crashloop.survey.plan import Planned
    from crashloop.survey.progress import Progress
    from crashloop.survey.shown import Shown

REFRESH_PER_S = 4
AROUND = 3
_CLOCKS = re.compile(r"^\s*[\d.]+ s\s+(\([^)]* here\)\s+)?")


class PlainView:
    """A context manager; writes a line for each run that starts or ends.

    `earlier` says where the result of a run comes from that is not made now.
    """

    def __init__(
        self, progress: Progress, stream: IO[str], *, earlier: str = "as an earlier check found"
    ) -> None:
        self._progress = progress
        self._lines = PlainLines(stream)
        self._earlier = earlier

    def planned(self, runs: Sequence[Planned]) -> None:
        """These runs are to come."""
        self._progress.plan(runs)

    def started(self, run: Planned) -> None:
        """A run has started."""
        now_s = time.monotonic()
        self._progress.start(run, now_s)
        self._lines.write(f"{run.name}: started; {self._progress.words(now_s)}")

    def said(self, run: Planned, text: str) -> None:
        """A line of a run's own progress is not shown: runs are made at once."""

    def finished(self, run: Planned, shown: Shown, *, earlier: bool) -> None:
        """A run has ended, or it was made earlier."""
        now_s = time.monotonic()
        if earlier:
            self._progress.skip(run)
            self._lines.write(f"{run.name}: {shown}, {self._earlier}")
            return
        self._progress.finish(run, now_s)
        took_s = self._progress.took_s[run.folder]
        self._lines.write(f"{run.name}: {shown} in {took_s:.0f} s; {self._progress.words(now_s)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LiveRuns(Redrawn):
    """A context manager; draws all runs with how far they are and how long the rest may take."""

    def __init__(self, progress: Progress, terminal: Terminal) -> None:
        super().__init__(terminal, times_per_s=REFRESH_PER_S)
        self._progress = progress
        self._done: dict[str, tuple[Planned, Shown]] = {}

    def planned(self, runs: Sequence[Planned]) -> None:
        """These runs are to come."""
        self._progress.plan(runs)

    def started(self, run: Planned) -> None:
        """A run has started."""
        self._progress.start(run, time.monotonic())

    def said(self, run: Planned, text: str) -> None:
        """A line of a run's progress."""
        self._progress.said[run.folder] = _CLOCKS.sub("", text)

    def finished(self, run: Planned, shown: Shown, *, earlier: bool) -> None:
        """A run has ended, or it was made earlier."""
        self._done[run.folder] = run, shown
        if earlier:
            self._progress.skip(run)
        else:
            self._progress.finish(run, time.monotonic())

    def _draw(self) -> Text:
        now_s = time.monotonic()
        width = min(self._terminal.console.width, MAX_WIDTH)
        return rich_text(
            live_lines(
                self._progress,
                dict(self._done),
                now_s=now_s,
                width=width,
                height=self._terminal.console.height,
            )
        )


def live_lines(
    progress: Progress,
    done: dict[str, tuple[Planned, Shown]],
    *,
    now_s: float,
    width: int,
    height: int,
) -> list[Line]:
    """What has ended, what runs, what is to come, and the time left.

    Where the terminal is too low, the oldest and the last of them are only counted.
    """
    name = name_width([run.name for run in [*progress.planned.values()]])
    running = [_running(*each, now_s=now_s, name=name, width=width) for each in progress.running()]
    room = max(height - AROUND - len(running), 0)
    ended = [_ended(run, shown, name, width) for run, shown in done.values()]
    active = {run.folder for run, _, _ in progress.running()}
    to_come = [
        line(Span(f"{clean(run.name, 60):{name}} waiting", Tone.DIM))
        for folder, run in list(progress.planned.items())
        if folder not in active and folder not in progress.took_s
    ]
    shown = ended[-room:] if room else []
    later = to_come[: max(room - len(shown), 0)]
    words = line(Span(progress.words(now_s), Tone.RUNNING))
    return [*shown, *running, *later, BLANK, words]


def _ended(run: Planned, shown: Shown, name: int, width: int) -> Line:
    more = shown.more[: max(width - name - OUTCOME - 2, 0)]
    spans = [Span(f"{shown.words:{OUTCOME}} ", shown.tone), Span(more)]
    return line(f"{clean(run.name, 60):{name}} ", *spans)


def _running(
    run: Planned, since_s: float, said: str, *, now_s: float, name: int, width: int
) -> Line:
    head = f"{clean(run.name, 60):{name}} "
    text = f"{now_s - since_s:3.0f} s  {clean(said)}"
    return line(head, Span(text[: max(width - len(head), 0)], Tone.RUNNING))

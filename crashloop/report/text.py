"""A run as plain text, without colours: for failures of tests, logs and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.drawing import timeline
from crashloop.report.lines import plain
from crashloop.report.summary import Where, output_lines, summary
from crashloop.report.telling import story_of

if TYPE_CHECKING:
    from crashloop.model import Judgement
    from crashloop.trace.event import Trace


def timeline_text(trace: Trace, width: int = 100) -> str:
    """The timeline of `trace`, drawn to `width` columns, lines separated by newlines."""
    return plain(timeline(story_of(trace), width=width))


def output_text(trace: Trace) -> str:
    """The last lines of the app's attempt that failed; empty where none did."""
    return plain(output_lines(story_of(trace), width=100))


def summary_text(
    trace: Trace, judgement: Judgement, *, where: Where | None = None, width: int = 100
) -> str:
    """What happened, the verdict, its evidence, and `where` the files are."""
    return plain(summary(story_of(trace), judgement, where=where, width=width))

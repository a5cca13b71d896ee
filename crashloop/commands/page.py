"""The page that shows one run: title, timeline, summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.report.drawing import timeline
from crashloop.report.lines import BLANK, Line
from crashloop.report.summary import Where, summary, title, verdict_lines
from crashloop.report.telling import story_of

if TYPE_CHECKING:
    from crashloop.model import Judgement
    from crashloop.report.story import Story
    from crashloop.report.terminal import Terminal
    from crashloop.trace.event import Trace


def run_page(trace: Trace, judgement: Judgement, terminal: Terminal, where: Where) -> list[Line]:
    """Everything about one run."""
    story = story_of(trace)
    told = summary(story, judgement, where=where, width=terminal.width, glyphs=terminal.glyphs)
    return [*_head(story, terminal), *told]


def step_page(trace: Trace, judgement: Judgement, terminal: Terminal) -> list[Line]:
    """One run of a proof: its timeline and its verdict."""
    story = story_of(trace)
    verdict = verdict_lines(story, judgement, width=terminal.width)
    return [*_head(story, terminal), *verdict, BLANK, BLANK]


def _head(story: Story, terminal: Terminal) -> list[Line]:
    drawn = timeline(story, width=terminal.width, glyphs=terminal.glyphs)
    return [title(story), BLANK, *drawn, BLANK]

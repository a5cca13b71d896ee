"""What a command prints: the page of one run, a path."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.loops import loops_of
from crashloop.outcome import fate_of
from crashloop.report.drawing import timeline
from crashloop.report.events import history_of
from crashloop.report.lines import BLANK, Line
from crashloop.report.summary import Where, ending_lines, summary, title
from crashloop.run import REPORT_FILE, evidence_files

if TYPE_CHECKING:
    from crashloop.model import Judgement
    from crashloop.report.history import History
    from crashloop.report.terminal import Terminal
    from crashloop.trace.event import Trace


def run_page(
    trace: Trace, judgement: Judgement, terminal: Terminal, where: Where | None = None
) -> list[Line]:
    """Everything about one run, without `where` all but where its evidence is."""
    history = history_of(trace)
    told = summary(
        history,
        judgement,
        fate=fate_of(trace),
        loops=loops_of(trace),
        where=where,
        width=terminal.width,
        glyphs=terminal.glyphs,
    )
    return [*_head(history, terminal), *told]


def step_page(trace: Trace, judgement: Judgement, terminal: Terminal) -> list[Line]:
    """One run of a proof: its timeline and its verdict, and the outcome of the user's own app."""
    history = history_of(trace)
    ending = ending_lines(history, judgement, fate_of(trace), width=terminal.width, brief=True)
    return [*_head(history, terminal), *ending, BLANK, BLANK]


def _head(history: History, terminal: Terminal) -> list[Line]:
    drawn = timeline(history, width=terminal.width, glyphs=terminal.glyphs)
    return [title(history, width=terminal.width), BLANK, *drawn, BLANK]


def evidence_of(path: Path, trace: Trace, *, command: str) -> Where:
    """Where the evidence is, and what of it: of a run's folder, or of its trace alone."""
    files = evidence_files(path, trace) if path.is_dir() else ()
    page = short(path / REPORT_FILE) if REPORT_FILE in files else ""
    return Where(folder=short(path), files=files, page=page, command=command)


def short(path: Path) -> str:
    """The path from here, if it is below."""
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)

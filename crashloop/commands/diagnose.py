"""`crashloop diagnose`: which known outage logs show, and which they do not."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.commands.page import short
from crashloop.diagnosis.cause import Cause
from crashloop.diagnosis.causes import CAUSES
from crashloop.diagnosis.diagnosis import Diagnosis, diagnose
from crashloop.diagnosis.order import in_order, joined
from crashloop.diagnosis.own_run import diagnosis_of_run
from crashloop.diagnosis.reading import Reading
from crashloop.diagnosis.thinning import Thinned
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import library
from crashloop.judge import judge
from crashloop.log_files import STDIN, is_trace, read_lines
from crashloop.logs.formats import FORMATS, entries
from crashloop.report.causes import catalogue, causes_table
from crashloop.report.diagnosis import diagnosis_document, diagnosis_page, heading
from crashloop.report.document import write_document, write_page
from crashloop.report.lines import line
from crashloop.report.terminal import Terminal
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.logs.entry import Entry, Line

SHOWN_EVERY = 100_000  # lines
DECIDED, UNKNOWN = 0, CapabilityError.exit_status


def every_cause() -> list[Cause]:
    """The causes that are no incidents, and incidents from elsewhere that say how they show."""
    incidents = [
        Cause(
            id=one.name,
            title=one.title,
            meaning=one.facts[0],
            in_logs=one.in_logs,
            reproduce=f"crashloop reproduce {one.name}",
        )
        for one in library().incidents.values()
        if one.in_logs is not None
    ]
    return [*CAUSES, *incidents]


class _Counted:
    """Passes lines on and counts them, for a reader at a terminal too."""

    def __init__(self) -> None:
        self.lines = 0
        self._is_shown = sys.stderr is not None and sys.stderr.isatty()

    def of(self, lines: Iterator[Line]) -> Iterator[Line]:
        for each in lines:
            self.lines += 1
            if self._is_shown and self.lines % SHOWN_EVERY == 0:
                sys.stderr.write(f"\r{self.lines:,} lines read")
            yield each

    def clear(self) -> None:
        """Take the number off the terminal."""
        if self._is_shown and self.lines >= SHOWN_EVERY:
            sys.stderr.write("\r\x1b[K")


def show_causes(*, as_json: bool, as_markdown: bool = False) -> int:
    """List every cause that a diagnosis can name; `as_markdown`: the table of docs/diagnose.md."""
    causes = sorted(every_cause(), key=lambda one: one.id)
    if as_json:
        write_document([{"id": c.id, "title": c.title, "meaning": c.meaning} for c in causes])
    elif as_markdown:
        write_page(causes_table(causes))
    else:
        terminal = Terminal(sys.stdout)
        terminal.show(catalogue(causes, width=terminal.width))
    return 0


def show_formats(*, as_json: bool) -> int:
    """List every format of log files, with what writes it."""
    if as_json:
        write_document([{"name": one.name, "what": one.what} for one in FORMATS.values()])
        return 0
    width = max(map(len, FORMATS))
    rows = [line(f"{one.name:<{width}}  {one.what}") for one in FORMATS.values()]
    Terminal(sys.stdout).show(rows)
    return 0


def _is_file(path: Path, name: str) -> bool:
    """Whether a path and a log's name are one file."""
    return name != STDIN and Path(name).exists() and path.samefile(name)


def show_diagnosis(
    files: Sequence[str], format_name: str | None, report: Path | None, *, as_json: bool
) -> int:
    """Diagnose the logs and print the answer; return the exit status: 0, or 11 for unknown.

    A page about it goes into `report`.
    """
    if report is not None and report.exists() and any(_is_file(report, f) for f in files):
        raise UsageError(
            f"--report {report} is one of the logs, which it would replace",
            hint="name another file: --report report.html",
        )
    read_at_s = time.time()
    found = diagnosis_of(files, format_name)
    if as_json:
        document: dict[str, Any] = diagnosis_document(found)
        write_document(document)
    else:
        terminal = Terminal(sys.stdout)
        terminal.show(diagnosis_page(found, width=terminal.width))
    if report is not None:
        from crashloop.commands.diagnose_report import write_report  # noqa: PLC0415  when asked

        write_report(found, [*dict.fromkeys(files)], report, read_at_s=read_at_s)
        sys.stderr.write(f"{short(report)}: {heading(found)}\n")
    return UNKNOWN if found.unknown else DECIDED


def _of_run(file: str, files: Sequence[str]) -> Diagnosis:
    """The diagnosis of a trace of ours, which is judged by its own signature."""
    if len(set(files)) > 1:
        raise UsageError(
            f"{file} is the trace of a run, and other files were named with it",
            hint=f"a run is diagnosed alone: crashloop diagnose {file}",
        )
    trace = read_trace(Path(file))
    return diagnosis_of_run(trace, judge(trace), every_cause(), file=file)


def diagnosis_of(files: Sequence[str], format_name: str | None) -> Diagnosis:
    """The diagnosis of all files together; UsageError if one cannot be read, or for a format."""
    if format_name is not None and format_name not in FORMATS:
        raise UsageError(
            f"there is no log format {format_name!r}", hint=f"one of: {', '.join(FORMATS)}"
        )
    run = next((file for file in files if is_trace(file)), None)
    if run is not None:
        return _of_run(run, files)
    counted = _Counted()
    thinned = Thinned()
    found: list[Entry] = []
    for file in dict.fromkeys(files):
        found += thinned.of(entries(counted.of(read_lines(file)), format_name))
    counted.clear()
    kept, doubled = in_order(joined(found))
    reading = Reading()
    reading.read(kept)
    return diagnose(
        reading.case(read=counted.lines, doubled=doubled, left_out=thinned.left_out), every_cause()
    )

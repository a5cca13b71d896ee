"""`crashloop report`: a page about a recorded run."""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING

from crashloop.commands.page import short
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.judge import judge
from crashloop.report.page.run import run_html
from crashloop.run import REPORT_FILE, TRACE_FILE, evidence_files, write_whole
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from pathlib import Path


def report(path: Path, file: Path | None, *, open_it: bool) -> int:
    """Judge the trace at `path` and write its page into `file`; return 0.

    By default the page is beside the trace. UsageError for a file that is not a trace, and for the
    trace as `file`; HarnessError if the page cannot be written, CapabilityError if no browser could
    be started.
    """
    trace = read_trace(path)
    if file is not None and file.exists() and file.samefile(_trace_file(path)):
        raise UsageError(
            f"--output {file} is the trace, which it would replace",
            hint="name another file: --output report.html",
        )
    judgement = judge(trace)
    beside = path if path.is_dir() else path.parent
    file = file or beside / REPORT_FILE
    is_beside = file.absolute().parent == beside.absolute()
    files = evidence_files(beside, trace) if is_beside else ()
    page = run_html(trace, judgement, files=files)
    try:
        write_whole(file, page)
    except OSError as error:
        raise HarnessError(
            f"the page cannot be written to {file}: {error.strerror}",
            hint="name a file that you may write: --output FILE",
        ) from None
    sys.stdout.write(f"{short(file)}: {judgement.verdict}\n")
    if open_it and not webbrowser.open(file.absolute().as_uri()):
        raise CapabilityError("no browser could be started", hint=f"open {short(file)} yourself")
    return 0


def _trace_file(path: Path) -> Path:
    return path / TRACE_FILE if path.is_dir() else path

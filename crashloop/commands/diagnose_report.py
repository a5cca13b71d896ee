"""Writes the page of a diagnosis; the lines around those that are cited are read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import CrashloopError, HarnessError
from crashloop.log_files import STDIN, read_lines
from crashloop.logs.formats.log_entry import MARKS, log_entry
from crashloop.logs.structured import json_object
from crashloop.report.page.annotated import Near
from crashloop.report.page.diagnosis import DiagnosisPage
from crashloop.run import write_whole
from crashloop.trace.redact import MASK, Redactor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crashloop.diagnosis.diagnosis import Diagnosis
    from crashloop.logs.entry import Line

MAX_CHARS = 2000
"""What of a line is kept for the page, which shows less."""
_KEY_BEGIN, _KEY_END = "PRIVATE KEY-----", "-----END "
_ONCE = "This input cannot be read again: only the cited lines are shown."
_GONE = "The file cannot be read again ({why}): only the cited lines are shown."
_CHANGED = "The file was written to after it was read: the lines may not be those that are cited."


def write_report(found: Diagnosis, files: Sequence[str], to: Path, *, read_at_s: float) -> None:
    """Write the page of a diagnosis of these files, which were read at `read_at_s` of the epoch.

    HarnessError if it cannot be written.
    """
    page = DiagnosisPage(found, files)
    near = {file: _near(file, wanted, read_at_s) for file, wanted in page.wanted().items()}
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        write_whole(to, page.html(near))
    except OSError as error:
        raise HarnessError(
            f"the page cannot be written to {to}: {error.strerror}",
            hint="name a file that you may write: --report FILE",
        ) from None


def _near(file: str, wanted: Collection[int], read_at_s: float) -> Near:
    """The wanted lines of a file, without secrets."""
    path = Path(file)
    if file == STDIN or path.is_fifo():
        return Near(lines={}, note=_ONCE)
    redactor, numbers, last = Redactor(), frozenset(wanted), max(wanted)
    lines: dict[int, str] = {}
    try:
        is_changed = path.stat().st_mtime > read_at_s
        is_key = False
        for line in read_lines(file):
            is_key = _KEY_END not in line.text and (is_key or _KEY_BEGIN in line.text)
            if line.number in numbers:
                shown = MASK if is_key else redactor.text(_shown(line)[: 2 * MAX_CHARS])[:MAX_CHARS]
                lines[line.number] = shown
            if line.number >= last:
                break
    except (OSError, CrashloopError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Near(lines={}, note=_GONE.format(why=why))
    return Near(lines=lines, note=_CHANGED if is_changed else "")


def _shown(line: Line) -> str:
    """The line; of an entry of Cloud Logging its instant and what it says."""
    found = json_object(line.text)
    if found is None or not any(name in found for name in MARKS):
        return line.text
    return f"{found.get('timestamp', '')} {log_entry(found, line).text}".strip()

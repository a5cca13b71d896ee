"""The file with the summary of a GitHub job: it has what each of the job's steps has appended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError, UsageError
from crashloop.report.failure import show_failure, show_warning

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "GITHUB_STEP_SUMMARY"
"""What GitHub names the file by; set, it stands for --summary FILE."""


def require_appendable(file: Path | None) -> None:
    """Try whether --summary FILE can be appended to; UsageError if not. None is no file."""
    if file is None:
        return
    try:
        was_there = file.exists()
        with file.open("a"):
            pass
        if not was_there:
            file.unlink()
    except OSError as error:
        raise UsageError(
            f"--summary {file} cannot be written: {error.strerror}",
            hint="name a file in a folder that exists",
        ) from None


def append_summary(given: Path | None, make: Callable[[], str]) -> int:
    """Append what `make` returns to --summary FILE, else to the file that GitHub names.

    Returns 12 if FILE cannot be written, else 0: nobody asked for the file that GitHub names, so
    that it cannot be written is a warning.
    """
    named = os.environ.get(VARIABLE)
    file = given or (Path(named) if named else None)
    if file is None:
        return 0
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{make()}")
    except OSError as error:
        why = f"{file} cannot be written: {error.strerror}"
        if given is None:
            show_warning(f"the job summary {why}")
            return 0
        status = HarnessError.exit_status
        return show_failure(f"--summary {why}", hint="", exit_status=status, as_json=False)
    return 0

"""Incidents from outside of the package, for a command that takes an incident's name."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from crashloop.incidents import ELSEWHERE, incident
from crashloop.report.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crashloop.incidents.candidate import LeftOut
    from crashloop.incidents.incident import Incident

MAX_CHARS = 1200


def chosen_incident(name: str, folder: Path | None) -> Incident:
    """The incident by name, which may be in the folder of --incidents.

    Says what else in the folder cannot be used. UsageError for an unknown name, for an incident
    that cannot be used, and for a folder without one.
    """
    ELSEWHERE.use(folder)
    found = incident(name)
    show_left_out(ELSEWHERE.in_folder.left_out)
    return found


def show_left_out(left_out: Iterable[LeftOut]) -> None:
    """Say on standard error what cannot be used, one message each."""
    with contextlib.suppress(OSError):  # the terminal is gone
        for each in left_out:
            sys.stderr.write(f"left out: {clean(f'{each.place}: {each.why}', MAX_CHARS)}\n")
            if each.hint:
                sys.stderr.write(f"  {clean(each.hint, MAX_CHARS)}\n")
        sys.stderr.flush()

"""Where evidence is, as a reader finds it; and documents to standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

MAX_FILES = 40


def files(folder: Path) -> tuple[str, ...]:
    """The names of the files in `folder`, 40 at most; none where it cannot be read."""
    with contextlib.suppress(OSError):
        return tuple(sorted(one.name for one in folder.iterdir() if one.is_file())[:MAX_FILES])
    return ()


def short(path: Path) -> str:
    """The path from here, where it is below."""
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def print_json(document: Any) -> None:
    """One document to standard output; a reader that went away is no error."""
    try:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

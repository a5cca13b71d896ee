"""Reads a text file that the user named, within a bound."""

from __future__ import annotations

import io
import stat
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1024 * 1024


def read_text(path: Path) -> str:
    """The whole text of a file or a pipe.

    UsageError for anything else, such as a device, which may never end, and for more than 1 MiB.
    Raises OSError and UnicodeDecodeError as well.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise UsageError(f"{path} cannot be read: it is neither a file nor a pipe")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path} cannot be read: it has more than {MAX_BYTES} bytes")
    return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8").read()

"""A Procfile: the command of each process type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.repository.place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(text: str, file: str) -> Mapping[str, tuple[str, Place]]:
    """The command lines by process type, such as `web` and `release`; the first of each."""
    found: dict[str, tuple[str, Place]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match:
            found.setdefault(match[1], (match[2], Place(file=file, line=number)))
    return found

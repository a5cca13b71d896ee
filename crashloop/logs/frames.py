"""Where an exception of a traceback came from, by the lines of its frames."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = re.compile(
    r'File "(?:[^"]{0,400}?[/\\])?(?P<path>(?:[^"/\\]{1,100}[/\\])?[^"/\\]{1,100})", '
    r"line \d{1,7}, in (?P<function>\S{1,100})"
)
_PACKAGE = re.compile(r'File "[^"]{0,400}(?:site|dist)-packages[/\\](?P<name>[A-Za-z_]\w{0,60})')


@dataclass(slots=True)
class Frames:
    """The outermost and the innermost frame as `package/module.py:function`, and the package.

    `via` is the innermost package that is installed and not the app's own.
    """

    where: str | None = None
    via: str | None = None
    began: str | None = None

    def take(self, line: str) -> None:
        """Take the next line of the frames."""
        if (place := _PLACE.match(line.lstrip(" >│"))) is not None:
            package = _PACKAGE.search(line)
            self.where = f"{place['path']}:{place['function']}"
            self.began = self.began or self.where
            self.via = package["name"] if package else self.via

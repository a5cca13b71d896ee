"""An exception that stands alone in a line, without its traceback."""

from __future__ import annotations

import builtins
import re

from crashloop.logs.drivers import python_link
from crashloop.logs.event import LogEvent, error_event

MAX_CHARS = 4000
_LINE = re.compile(
    r"(?P<name>[A-Za-z_]\w{0,99}(?:\.\w{1,100}){0,20}): (?P<message>\S.{0,3500})", re.DOTALL
)
_BUILTINS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_LAST_WORDS = ("Error", "Exception", "Timeout", "Warning", "Failure", "error", "timeout")
"""How a qualified class is called: also `socket.gaierror` and `socket.timeout`."""


def exception_line(text: str, at_ns: int) -> LogEvent | None:
    """The error that the whole line names: `package.module.SomeError: message`; else None.

    A name without its module must be one of Python's own.
    """
    found = _LINE.fullmatch(text[:MAX_CHARS].rstrip())
    if found is None:
        return None
    name = found["name"]
    is_one = name.endswith(_LAST_WORDS) if "." in name else name in _BUILTINS
    if not is_one:
        return None
    return error_event([python_link(name, found["message"])], by="python", at_ns=at_ns)

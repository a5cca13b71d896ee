"""What went wrong: an exception's chain as plain data, and whether it is transient."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINKS = 10
MAX_MESSAGE_CHARS = 1000
MAX_STACK_CHARS = 8000
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s/]+@")
_TRANSIENT_SQLSTATES = frozenset({"57P03", "53300"})
_CONNECTION_CLASS = "08"


class DatabaseAwayError(Exception):
    """The database is not open, or a statement could not be carried out."""


class QueueFullError(Exception):
    """No more messages can be kept until the database is back."""


def mask(text: str) -> str:
    """Replace the password of every URL in the text by `***`."""
    return _PASSWORD.sub(r"\1***@", text)


def links(error: BaseException) -> Iterator[BaseException]:
    """Walk from the outermost error to its root: cause first, context unless suppressed."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < MAX_LINKS:
        seen.add(id(link))
        yield link
        if link.__cause__ is not None or link.__suppress_context__:
            link = link.__cause__
        else:
            link = link.__context__


def describe(error: BaseException) -> list[dict[str, object]]:
    """Return `[{type, sqlstate, errno, message}]`, outermost first, at most 10 links.

    `type` is a builtin's bare name or module and name; `sqlstate` and `errno` are null when the
    link has none; `message` holds no password and at most 1,000 characters.
    """
    return [
        {
            "type": _qualified(link),
            "sqlstate": getattr(link, "sqlstate", None),
            "errno": getattr(link, "errno", None),
            "message": mask(str(link))[:MAX_MESSAGE_CHARS],
        }
        for link in links(error)
    ]


def summary(error: BaseException) -> str:
    """Return the outermost error in one line, without passwords."""
    text = " ".join(mask(str(error)).split())[:MAX_MESSAGE_CHARS]
    return f"{_qualified(error)}: {text}" if text else _qualified(error)


def stack_trace(error: BaseException) -> str:
    """Format the traceback with passwords masked, in at most 8,000 characters.

    Python prints the root first and the outermost last, so a long text is cut in its middle.
    """
    text = mask("".join(traceback.format_exception(error)))
    if len(text) <= MAX_STACK_CHARS:
        return text
    half = MAX_STACK_CHARS // 2
    return f"{text[: half - 10]}\n  [...]\n{text[-(half - 10) :]}"


def is_transient(error: BaseException) -> bool:
    """Whether the error may go away if the app waits.

    True for a time-out, a connection or operating system error, SQLSTATE class 08 (connection),
    57P03 (server starting) and 53300 (no slot free). The first link that carries a SQLSTATE or is
    an operating system error decides; without either, a connection that SQLAlchemy found broken is
    transient and anything else is not.
    """
    chain = list(links(error))
    for link in chain:
        sqlstate = getattr(link, "sqlstate", None)
        if isinstance(sqlstate, str):
            return sqlstate in _TRANSIENT_SQLSTATES or sqlstate.startswith(_CONNECTION_CLASS)
        if isinstance(link, OSError):  # TimeoutError and ConnectionError are OSErrors
            return True
    return any(getattr(link, "connection_invalidated", False) for link in chain)


def _qualified(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"

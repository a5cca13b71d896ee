"""Which lines of a large log some reader can use: the others are counted and never parsed."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.logs.entry import Line

WHOLE_LINES = 20_000
"""So many lines of each file are parsed whatever they say. Chosen."""
BEFORE, AFTER = 3, 6
"""How many lines around one that is of use are kept: a message may have several. Chosen."""
MAX_SEARCHED_CHARS = 20_000
# Stems that all words of the readers contain, so that one search finds any: errors and their
# frames, web servers' and supervisors' life lines, servers' severities, platforms' words.
_STEMS = (
    "rror", "ERROR", "xception", "raceback", "imeout", 'File "', 'File \\"', "    at ", "rrno",
    "WARN", "CRITICAL", "FATAL", "PANIC", "LOG: ", "NOTICE: ", "DETAIL: ", "\u2502", "\u256d",
    "onnect", "ECONN", "EPIPE", "getaddrinfo", "ailed", "ailure", "efused", "enied", "xceeded",
    "nvalid", "annot ", "not found", "o such", "gave up", "assword", "ertificate", " exist",
    "tarted", "tarting", "tartup", "start up", "hutting down", "hutdown", "hut down", "SIG",
    "unning on ", "istening", "nicorn", "percorn", "orker", "ignal", "Reason:", "spawned",
    "entered ", "xited", "exit", "erminat", "kill", "Kill", "OOM", "Memory", "robe ", "ealthy",
    "Restart", "restart", "LOADING", "oading", "ready to", "mono_ns", "runcated", "too many",
    "login", "closing", "bort", "format error", "initialized", "already",
    "unning upgrade", "Applying ",
)  # fmt: skip


def _search_for(stems: Iterable[str]) -> re.Pattern[str]:
    """One pattern for any of the stems, grouped by their first character, which is faster."""
    rests: dict[str, list[str]] = {}
    for stem in stems:
        rests.setdefault(stem[0], []).append(re.escape(stem[1:]))
    return re.compile("|".join(f"{re.escape(c)}(?:{'|'.join(r)})" for c, r in rests.items()))


_ANY = _search_for(_STEMS)


def is_of_use(text: str) -> bool:
    """Whether some reader may make an event of a line, or needs it for one."""
    return _ANY.search(text, 0, MAX_SEARCHED_CHARS) is not None


def of_use(lines: Iterable[Line], *, whole: int = WHOLE_LINES) -> Iterator[Line]:
    """The first `whole` lines, and of the rest those of use with a few lines around each."""
    before: deque[Line] = deque(maxlen=BEFORE)
    left = whole
    for line in lines:
        if is_of_use(line.text):
            yield from before
            before.clear()
            yield line
            left = max(left - 1, AFTER)
        elif left > 0:
            left -= 1
            yield line
        else:
            before.append(line)
    yield from before

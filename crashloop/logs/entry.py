"""One entry of a log: who wrote it, when, and the line of the file that it stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.logs.event import LogEvent


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, counted from 1, without its end. `file` is as the user named it."""

    file: str
    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one program or platform said at one instant.

    `text` is the message without what its carrier wrote before it, and may have several lines.
    `at_ns` is since the epoch, UTC; None if the entry has no instant. `source` names who wrote it
    (a pod's container, an instance, a compose service), "" if nothing says so. `id` is the
    carrier's own, so that a doubled entry is known. `event` is what a format has understood on its
    own; the text is then only shown.
    """

    line: Line
    text: str
    at_ns: int | None = None
    source: str = ""
    id: str = ""
    event: LogEvent | None = None

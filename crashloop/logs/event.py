"""What one or several lines of a log say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = "log.server"
ERROR = "log.error"
STARTED = "process.started"
EXITED = "process.exited"
PROBE_FAILED = "probe.failed"
PLATFORM_SAID = "platform.said"
"""What a platform says of an app and is no start, exit or probe: `says` (a slug), `text`, more."""
MAX_LINKS = 10
MAX_MESSAGE_CHARS = 1000

By = Literal["python", "node", "driver"]
"""What wrote an error: a traceback, Node's own form, or a driver's words in an ordinary line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One event that a log shows: its kind and data, and the instant of its first line.

    `is_structured`: it is one whole line in the app's own words, not what was read out of lines.
    """

    kind: str
    data: Mapping[str, Any]
    at_ns: int
    is_structured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One exception of a chain; `type` is qualified, None if the line does not name it.

    `errno` is as the line has it, so a resolver's is negative. `code` is Node's own name of it.
    `where` is the innermost frame of its traceback, as `package/module.py:function`,
    `began` the outermost, and `via` the innermost installed package of its frames.
    """

    type: str | None
    message: str
    errno: int | None = None
    sqlstate: str | None = None
    code: str | None = None
    address: str | None = None
    where: str | None = None
    via: str | None = None
    began: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The link in the shape of a `phase.failed` line's `error`."""
        data = {
            "type": self.type,
            "sqlstate": self.sqlstate,
            "errno": self.errno,
            "message": self.message[:MAX_MESSAGE_CHARS],
        }
        more = {"code": self.code, "where": self.where, "via": self.via, "began": self.began}
        return {**data, **{name: value for name, value in more.items() if value is not None}}


def error_event(chain: Sequence[Link], *, by: By, at_ns: int) -> LogEvent:
    """The event of an error: its chain, outermost first, and the last address that it names.

    Of a chain of more than 10 links the first nine and the root are kept.
    """
    kept = [*chain[: MAX_LINKS - 1], chain[-1]] if len(chain) > MAX_LINKS else chain
    data: dict[str, Any] = {"error": [link.to_json() for link in kept], "by": by}
    address = next((link.address for link in reversed(chain) if link.address), None)
    if address:
        data["address"] = address
    return LogEvent(kind=ERROR, data=data, at_ns=at_ns)

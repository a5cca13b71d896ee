"""The instant at the head of a line, in the forms that loggers and carriers write."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# RFC 3339, Postgres' `%m`, Python's logging (a comma before milliseconds), gunicorn's brackets.
_ISO = re.compile(
    r"\[?(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?\]?(?=[\s|:]|$)"
)
_NS = 1_000_000_000
_ZULU = frozenset({"Z", "UTC", "GMT", None})


def leading_instant(text: str) -> tuple[int | None, str]:
    """The instant (ns since the epoch, UTC where no zone is named) and what follows it."""
    found = _ISO.match(text)
    if found is None:
        return None, text
    at_ns = _ns(found["day"], found["time"], found["part"] or "", found["zone"])
    return (None, text) if at_ns is None else (at_ns, text[found.end() :])


def parse_instant(text: str) -> int | None:
    """The instant that the whole text is; None if it is none."""
    at_ns, rest = leading_instant(text.strip())
    return at_ns if not rest else None


def _ns(day: str, time: str, part: str, zone: str | None) -> int | None:
    offset = "+00:00" if zone in _ZULU else str(zone)
    try:
        at = datetime.fromisoformat(f"{day}T{time}{offset}")
    except ValueError:  # the 31st of February
        return None
    try:
        seconds = int(at.astimezone(UTC).timestamp())
    except (OverflowError, ValueError):
        return None
    return seconds * _NS + int(part.ljust(9, "0") or "0")

"""The app's structured lines: a JSON object with a known `event` and its own `mono_ns`."""

from __future__ import annotations

import json
from typing import Any

from crashloop.logs.event import LogEvent

MAX_DEPTH = 20  # of a line's objects and arrays; what reads them recurses
MAX_KIND_CHARS = 60  # longer than any kind
EVENT_KINDS = ("startup.", "phase.", "shutdown.", "database.", "chat.", "remedy.")

# Already in the event, or too long for it; the life's log has them all.
_DROPPED = frozenset({"event", "mono_ns", "time", "logging.googleapis.com/labels", "stack_trace"})


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a line is; None if it is none, or nested more than 20 deep."""
    if not text.startswith("{"):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_object = isinstance(entry, dict) and not _is_deeper(entry, MAX_DEPTH)
    return entry if is_object else None


def structured_event(entry: dict[str, Any]) -> LogEvent | None:
    """The event that a line's object describes, at the instant that it claims; None if none."""
    kind, mono_ns = entry.get("event"), entry.get("mono_ns")
    is_known = isinstance(kind, str) and kind.startswith(EVENT_KINDS) and len(kind) < MAX_KIND_CHARS
    if not is_known or not isinstance(mono_ns, int):
        return None
    data = {key: value for key, value in entry.items() if key not in _DROPPED}
    return LogEvent(kind=str(kind), data=data, at_ns=mono_ns, is_structured=True)


def _is_deeper(value: object, depth: int) -> bool:
    """Whether objects and arrays are nested more than `depth` deep in a JSON value."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(each, depth - 1) for each in inner)

"""Reads a trace back. A torn last line is accepted and noted; any other bad line is an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.trace.event import SCHEMA, SOURCES, Event, Trace, ordered

if TYPE_CHECKING:
    from pathlib import Path

MAX_TRACE_BYTES = 512 * 1024 * 1024
_HINT = "give the trace.jsonl that a run wrote into its artifacts folder"


def read_trace(path: Path) -> Trace:
    """Read `path`; UsageError with file and line if it is not a trace of ours."""
    try:
        if path.is_dir():
            path = path / "trace.jsonl"
        size = path.stat().st_size
        if size > MAX_TRACE_BYTES:
            raise UsageError(f"{path} has {size} bytes; a trace stays below {MAX_TRACE_BYTES}")
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=_HINT) from None
    return parse_trace(raw, name=str(path))


def parse_trace(raw: bytes, *, name: str = "trace") -> Trace:
    """A trace from its bytes; errors call it `name`."""
    lines = raw.split(b"\n")
    last = lines.pop()
    torn = last != b""
    if not lines:
        raise UsageError(f"{name} is not a trace: it holds no whole line", hint=_HINT)
    header = _object(lines[0], name, 1)
    if header.get("schema") != SCHEMA:
        raise UsageError(
            f"{name}:1 is not a trace of ours: schema is {header.get('schema')!r}, not {SCHEMA!r}",
            hint=_HINT,
        )
    events = [_event(_object(line, name, n), name, n) for n, line in enumerate(lines[1:], start=2)]
    return Trace(header=header, events=ordered(events), torn_line=torn)


def _object(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}:{number} is not JSON: {error}", hint=_HINT) from None
    if not isinstance(value, dict):
        raise UsageError(f"{name}:{number} is not a JSON object", hint=_HINT)
    return value


def _event(line: dict[str, Any], name: str, number: int) -> Event:
    types = {"seq": int, "mono_ns": int, "at": str, "source": str, "kind": str, "data": dict}
    for key, wanted in types.items():
        if not isinstance(line.get(key), wanted) or isinstance(line.get(key), bool):
            raise UsageError(
                f"{name}:{number} is not an event: {key!r} is {line.get(key)!r}", hint=_HINT
            )
    attempt = line.get("attempt")
    if attempt is not None and (type(attempt) is not int or attempt < 1):
        raise UsageError(f"{name}:{number} is not an event: 'attempt' is {attempt!r}", hint=_HINT)
    if line["source"] not in SOURCES:
        raise UsageError(f"{name}:{number} has an unknown source {line['source']!r}", hint=_HINT)
    return Event(
        seq=line["seq"],
        mono_ns=line["mono_ns"],
        at=line["at"],
        source=line["source"],
        kind=line["kind"],
        attempt=attempt,
        data=line["data"],
    )

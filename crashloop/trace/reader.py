"""Reads a trace back. A torn last line is accepted and noted; any other bad line is an error."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.model import CONTROL
from crashloop.trace import upgrade
from crashloop.trace.event import MAX_REPLICAS, SCHEMA, SOURCES, Event, Trace, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_TRACE_BYTES = 512 * 1024 * 1024
MAX_HEADER_BYTES = 4 * 1024 * 1024
_HINT = "give the trace.jsonl that a run wrote into its artifacts folder"
_TYPES = {"seq": int, "mono_ns": int, "at": str, "source": str, "kind": str, "data": dict}
_OUR_SCHEMA = re.compile(r"crashloop\.trace/(?P<number>[0-9]{1,6})")


def read_trace(path: Path) -> Trace:
    """Read `path`; UsageError with file and line if it is not a trace of ours."""
    try:
        if path.is_dir():
            path = path / "trace.jsonl"
        with path.open("rb") as file:
            raw = file.read(MAX_TRACE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=_HINT) from None
    if len(raw) > MAX_TRACE_BYTES:
        raise UsageError(f"{path} has more than {MAX_TRACE_BYTES} bytes, which no trace has")
    return parse_trace(raw, name=str(path))


def read_header(path: Path) -> dict[str, Any]:
    """The header of the trace in this file, which must be a regular one; UsageError like those."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is not a trace: it is no regular file", hint=_HINT)
        with path.open("rb") as file:
            first = file.readline(MAX_HEADER_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=_HINT) from None
    if not first:
        raise UsageError(f"{path} is not a trace: it is empty", hint=_HINT)
    name = str(path)
    header = _object(first, name, 1)
    if _is_older(header, name):
        header = _upgraded(header, name)
    _check_header(header, name)
    return header


def parse_trace(raw: bytes, *, name: str = "trace") -> Trace:
    """A trace from its bytes; errors call it `name`. An older schema is upgraded."""
    lines = raw.split(b"\n")
    last = lines.pop()
    torn = last != b""
    if not lines:
        raise UsageError(f"{name} is not a trace: it holds no whole line", hint=_HINT)
    header = _object(lines[0], name, 1)
    older = _is_older(header, name)
    events = [
        _event(_object(line, name, n), name, n, older=older)
        for n, line in enumerate(lines[1:], start=2)
    ]
    if older:
        header = _upgraded(header, name)
    _check_header(header, name)
    return Trace(header=header, events=ordered(events), torn_line=torn)


def _check_header(header: Mapping[str, Any], name: str) -> None:
    """UsageError for a header whose parts are not what every reader takes them for."""
    scenario = header.get("scenario", {})
    parts = {"scenario": scenario, "engine": header.get("engine", {})}
    if isinstance(scenario, dict):
        parts |= {key: scenario.get(key) or {} for key in ("app", "platform", "replicas")}
    for key, part in parts.items():
        if not isinstance(part, dict):
            raise UsageError(
                f"{name}:1 has as its {key} something that is not a JSON object", hint=_HINT
            )
    for key, least in (("count", 1), ("overlap", 0)):
        number = parts["replicas"].get(key, least)
        if type(number) is not int or not least <= number <= MAX_REPLICAS:
            raise UsageError(
                f"{name}:1 has {number!r} as the {key} of its replicas, which is not a whole "
                f"number from {least} to {MAX_REPLICAS}",
                hint=_HINT,
            )


def _is_older(header: Mapping[str, Any], name: str) -> bool:
    """Whether the trace has to be upgraded; UsageError if this version cannot read it."""
    schema = header.get("schema")
    if schema == SCHEMA:
        return False
    if schema == upgrade.SCHEMA:
        return True
    ours = _OUR_SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if ours is None:
        raise UsageError(
            f"{name}:1 is not a trace of ours: schema is {schema!r}, not {SCHEMA!r}", hint=_HINT
        )
    versions = header.get("versions")
    wrote = versions.get("crashloop") if isinstance(versions, dict) else None
    by = f" ({wrote!r} by its header)" if isinstance(wrote, str) else ""
    raise UsageError(
        f"{name}:1 has the schema {schema!r}, and this version of crashloop reads "
        f"{upgrade.SCHEMA!r} and {SCHEMA!r}",
        hint=f"read it with the version of crashloop that wrote it{by}, or a newer one",
    )


def _upgraded(header: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return {**upgrade.header(header), "schema": SCHEMA}
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(
            f"{name}:1 cannot be upgraded to {SCHEMA!r}: its header lacks a part "
            f"({type(error).__name__}: {error})",
            hint=_HINT,
        ) from None


def _object(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}:{number} is not JSON: {error}", hint=_HINT) from None
    if not isinstance(value, dict):
        raise UsageError(f"{name}:{number} is not a JSON object", hint=_HINT)
    return value


def _event(line: dict[str, Any], name: str, number: int, *, older: bool) -> Event:
    wrong = next((key for key, wanted in _TYPES.items() if type(line.get(key)) is not wanted), "")
    counts = ("attempt",) if older else ("attempt", "replica")
    if not _is_of_the_control(line):
        wrong = wrong or next((key for key in counts if not _counts(line.get(key))), "")
    if not wrong and not older and not isinstance(line.get("target"), str | None):
        wrong = "target"
    if wrong:
        raise UsageError(
            f"{name}:{number} is not an event: {wrong!r} is {line.get(wrong)!r}", hint=_HINT
        )
    if line["source"] not in SOURCES:
        raise UsageError(f"{name}:{number} has an unknown source {line['source']!r}", hint=_HINT)
    if older:
        line = upgrade.event(line)
    if (line.get("replica") is None) is not (line.get("attempt") is None):
        what = f"replica {line.get('replica')!r} and attempt {line.get('attempt')!r}"
        raise UsageError(f"{name}:{number} is not an event: {what} are no life", hint=_HINT)
    return Event(
        seq=line["seq"],
        mono_ns=line["mono_ns"],
        at=line["at"],
        source=line["source"],
        kind=line["kind"],
        replica=line.get("replica"),
        attempt=line.get("attempt"),
        target=line.get("target"),
        data=line["data"],
    )


def _is_of_the_control(line: dict[str, Any]) -> bool:
    """Whether the line belongs to the control life, the only attempt 0."""
    life = line.get("replica"), line.get("attempt")
    return life == CONTROL and all(type(number) is int for number in life)


def _counts(value: object) -> bool:
    """Whether the value counts from 1, or is missing."""
    return value is None or (type(value) is int and value >= 1)

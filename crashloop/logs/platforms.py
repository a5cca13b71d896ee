"""What platforms write of an app among its lines: one pattern a line, of each platform's words.

Supervisord 4.2: process.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from crashloop.logs.cloud_run import cloud_run_event
from crashloop.logs.event import EXITED, STARTED, LogEvent
from crashloop.logs.runtimes import runtime_event

MAX_CHARS = 500
_STAMP = r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} )?"
_SPAWNED = re.compile(_STAMP + r"INFO spawned: '(?P<program>[^']{1,100})' with pid \d{1,10}")
_SUPERVISED_EXIT = re.compile(
    _STAMP + r"(?:INFO|WARN) exited: (?P<program>\S{1,100}) "
    r"\(exit status (?P<code>\d{1,3}); (?:not )?expected\)"
)


def platform_event(text: str, at_ns: int) -> LogEvent | None:
    """The start or exit that the line tells of; None for any other line."""
    line = text[:MAX_CHARS].rstrip()
    if found := _SPAWNED.fullmatch(line):
        data = {"by": "supervisord", "program": found["program"]}
        return LogEvent(kind=STARTED, data=data, at_ns=at_ns)
    if found := _SUPERVISED_EXIT.fullmatch(line):
        data = {"by": "supervisord", "program": found["program"], "exit_code": int(found["code"])}
        return LogEvent(kind=EXITED, data=data, at_ns=at_ns)
    said = cloud_run_event(line) or runtime_event(line.strip())
    return None if said is None else replace(said, at_ns=at_ns)

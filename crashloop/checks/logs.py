"""The incident's failure pattern, found in log entries alone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crashloop.checks.exits import exit_code
from crashloop.checks.phases import last_phase, phase_failed
from crashloop.trace.event import Event, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.checks.result import Result

_EXIT = re.compile(r"Container called exit\((?P<code>-?[0-9]+)\)\.")


def failure_pattern(
    entries: Sequence[Mapping[str, Any]],
    *,
    phase: str,
    code: int,
    times: int,
    errors: Sequence[str],
) -> Result:
    """`times` times `phase` failed at its limit with one of `errors`, then came exit `code`.

    Exactly so often in the log of one instance; with several, each at least so often.

    `entries` are Cloud Logging entries in order of time, and `evidence` are their indexes. The
    same checks decide as on a trace; exit 3 alone proves nothing.
    """
    trace = trace_of(entries)
    findings = (
        last_phase(trace, phase=phase, after=()),
        phase_failed(trace, phase=phase, times=times, errors=errors, at_limit=True),
        exit_code(trace, code=code, times=times),
    )
    unmet = [f for f in findings if f.holds is False] or [f for f in findings if f.holds is None]
    return unmet[0] if unmet else findings[1]


def trace_of(entries: Sequence[Mapping[str, Any]]) -> Trace:
    """What log entries record of a start-up, as events: an exit ends an attempt.

    The label `instanceId` tells replicas apart; they are numbered in order of appearance.
    """
    events: list[Event] = []
    replicas: dict[str, int] = {}
    attempts: dict[int, int] = {}
    for index, entry in enumerate(entries):
        labels = entry.get("labels")
        instance = str(labels.get("instanceId", "")) if isinstance(labels, dict) else ""
        replica = replicas.setdefault(instance, len(replicas) + 1)
        attempt = attempts.setdefault(replica, 1)
        payload = entry.get("jsonPayload")
        line = payload if isinstance(payload, dict) else {}
        called = _EXIT.fullmatch(str(entry.get("textPayload", "")))
        kind = "process.exited" if called else str(line.get("event", "app.output"))
        at = str(entry["timestamp"])
        events.append(
            Event(
                seq=index,
                mono_ns=round(datetime.fromisoformat(at).timestamp() * 1e9),
                at=at,
                source="platform" if called else "app",
                kind=kind,
                replica=replica,
                attempt=attempt,
                target=None,
                data={"exit_code": int(called["code"])} if called else line,
            )
        )
        attempts[replica] += called is not None
    return Trace(header=_header(len(replicas)), events=tuple(events))


def _header(replicas: int) -> dict[str, Any]:
    return {"scenario": {"replicas": {"count": max(1, replicas)}}}

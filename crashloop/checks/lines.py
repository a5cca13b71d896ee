"""What a line of the app's log says; None or nothing if it cannot be read."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.trace.event import Event, Trace

MAX_S = 1e9
PHASE_ENDS = ("phase.completed", "phase.failed", "phase.degraded")


def seconds(data: Mapping[str, Any], key: str) -> float | None:
    """The time under `key`; None if it is not a number, negative, or too large."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MAX_S else None


def phase_started(trace: Trace, line: Event, phase: str | None = None) -> Event | None:
    """The line with which a phase of the line's process began; None if there is none before it.

    The phase is the line's own unless `phase` names another.
    """
    name = line.data.get("phase") if phase is None else phase
    started = trace.of("phase.started", life=line.life) if isinstance(name, str) else []
    same = of_process(line, (e for e in started if e.data.get("phase") == name))
    return next((e for e in reversed(same) if e.mono_ns <= line.mono_ns), None)


def of_process(line: Event, events: Iterable[Event]) -> list[Event]:
    """Those of a life's events that another process than the line's own has not logged.

    A server's workers are processes of one life, each with a boot id of its own.
    """
    boot = line.data.get("boot_id")
    return [e for e in events if boot is None or e.data.get("boot_id") in (None, boot)]


def by_process(lines: Iterable[Event]) -> list[list[Event]]:
    """The lines of a life by the process that logged them; together where they do not say it."""
    found: dict[str, list[Event]] = {}
    for line in lines:
        found.setdefault(str(line.data.get("boot_id")), []).append(line)
    return list(found.values())


def is_running(trace: Trace, died: Event, phase: str) -> bool:
    """Whether the phase had begun and not ended in some process of the life when it died."""
    ends = trace.of(*PHASE_ENDS, life=died.life, phase=phase)
    ends = [end for end in ends if end.mono_ns <= died.mono_ns]
    begun = trace.of("phase.started", life=died.life, phase=phase)
    return any(
        not any(end.mono_ns >= one.mono_ns for end in of_process(one, ends))
        for one in begun
        if one.mono_ns <= died.mono_ns
    )


def took_s(trace: Trace, ended: Event) -> float | None:
    """How long a phase took: the app's own figure, at most the time between its two lines."""
    said_s = seconds(ended.data, "duration_s")
    started = phase_started(trace, ended)
    if started is None:
        return said_s
    apart_s = (ended.mono_ns - started.mono_ns) / 1e9
    return apart_s if said_s is None else min(said_s, apart_s)


def errors_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The error chain of a failed phase, outermost first; empty if none can be read."""
    chain = data.get("error")
    return [e for e in chain if isinstance(e, dict)] if isinstance(chain, list) else []


def error_chain(data: Mapping[str, Any]) -> str:
    """The error chain in words: `TimeoutError <- CancelledError`."""
    links = []
    for error in errors_of(data):
        code = _sqlstate(error)
        links.append(f"{_name(error)} [{code}]" if code else _name(error))
    return " <- ".join(links) or "no error logged"


def sqlstates(data: Mapping[str, Any]) -> set[str]:
    """The SQLSTATEs in the error chain of a failed phase."""
    return {code for error in errors_of(data) if (code := _sqlstate(error))}


def matches(data: Mapping[str, Any], errors: Sequence[str]) -> bool:
    """Whether the error is one of `errors`.

    Those are names of exceptions or of an errno (`EROFS`), SQLSTATEs (`57P03`) or classes of them
    (`08`).

    A SQLSTATE decides before the name of the exception that carries or directly wraps it: a
    driver's OperationalError is also what a statement's own time limit (57014) raises.
    """
    chain = errors_of(data)
    for error, cause in zip(chain, [*chain[1:], {}], strict=False):
        if code := _sqlstate(error):
            return code in errors or code[:2] in errors
        is_named = _name(error) in errors or _errno(error) in errors
        if is_named and not _sqlstate(cause):
            return True
    return False


def _name(error: Mapping[str, Any]) -> str:
    return str(error.get("type") or "?").rsplit(".", 1)[-1]


def _sqlstate(error: Mapping[str, Any]) -> str:
    return str(error.get("sqlstate") or "")


def _errno(error: Mapping[str, Any]) -> str | None:
    number = error.get("errno")
    return errno.errorcode.get(number) if isinstance(number, int) else None

"""Decide whether a connection belongs to an attempt of the app."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from crashloop.checks.lines import errors_of

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# ECONNREFUSED is 111 on Linux and 61 on macOS; a trace may be judged on another machine.
_REFUSED_ERRNOS = frozenset({errno.ECONNREFUSED, 111, 61})


def is_own(trace: Trace, event: Event) -> bool:
    """Whether the event is about a connection, or a SYN, of a process of its attempt.

    The attempt's processes are the one that was started and all of its session, such as a server's
    workers. Where the engine cannot name the process (TCP without Linux's socket table), the
    attempt that ran then is enough.
    """
    if event.attempt is None:
        return False
    if event.kind.startswith("gate."):
        pids = {event.data.get("pid"), event.data.get("session")} - {None}
    else:
        opened = next((e for e in of_link(trace, "link.opened", event)), None)
        if opened is None:
            return False
        pids = {opened.data.get("client_pid"), opened.data.get("client_session")} - {None}
        if not pids:
            return "kernel" not in trace.header.get("engine", {}).get("capabilities", ())
    started = trace.first("process.started", attempt=event.attempt)
    return started is not None and started.data.get("pid") in pids


def of_link(trace: Trace, kind: str, event: Event) -> list[Event]:
    """The events of this kind on the same link."""
    link = event.data.get("link")
    return [e for e in trace.of(kind) if link is not None and e.data.get("link") == link]


def was_refused(event: Event, address: str | None) -> bool:
    """Whether a phase's error is the app's own ECONNREFUSED for this address."""
    return (
        address is not None
        and event.data.get("database_address") == address
        and any(error.get("errno") in _REFUSED_ERRNOS for error in errors_of(event.data))
    )

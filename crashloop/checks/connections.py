"""Whose connection it was: the app's own process, or somebody else's."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# ECONNREFUSED is 111 on Linux and 61 on macOS; a trace may be judged on another machine.
_REFUSED_ERRNOS = frozenset({errno.ECONNREFUSED, 111, 61})


def app_pids(trace: Trace, attempt: int | None) -> set[int]:
    """The attempt's process, and the one that wrote its log (a worker behind another server)."""
    own = trace.of("process.started", "startup.started", attempt=attempt)
    return {e.data["pid"] for e in own if isinstance(e.data.get("pid"), int)}


def is_own(trace: Trace, event: Event) -> bool:
    """Whether a link's event is about a connection that this attempt's app opened.

    The proxy must have seen it open, by the app's own process. Only where the engine cannot tell
    (TCP without Linux' socket table) is the attempt that ran then enough.
    """
    opened = next((e for e in of_link(trace, "link.opened", event)), None)
    if opened is None or event.attempt is None:
        return False
    client = opened.data.get("client_pid")
    if client is None:
        return "kernel" not in trace.header.get("engine", {}).get("capabilities", ())
    return client in app_pids(trace, event.attempt)


def of_link(trace: Trace, kind: str, event: Event) -> list[Event]:
    """The events of this kind on the same link."""
    link = event.data.get("link")
    return [e for e in trace.of(kind) if link is not None and e.data.get("link") == link]


def was_refused(event: Event, address: str | None) -> bool:
    """Whether a phase's error is the app's own ECONNREFUSED for this address."""
    return (
        address is not None
        and event.data.get("database_address") == address
        and any(link.get("errno") in _REFUSED_ERRNOS for link in event.data.get("error") or [])
    )

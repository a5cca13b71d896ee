"""Decide whether a connection, or a refusal, belongs to a life of the app."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from crashloop.checks.lines import errors_of, phase_started
from crashloop.checks.lives import in_control

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

# ECONNREFUSED is 111 on Linux and 61 on macOS; a trace may be judged on another machine.
_REFUSED_ERRNOS = frozenset({errno.ECONNREFUSED, 111, 61})


def is_own(trace: Trace, event: Event) -> bool:
    """Whether the event is about a connection, a SYN or a look-up of a process of its life.

    A life's processes are the one that was started and all of its session, such as a server's
    workers. Where the engine cannot name the process (TCP without Linux's socket table), the life
    that ran then is enough, if there is only one replica.
    """
    if event.life is None:
        return False
    if event.kind.startswith(("gate.", "name.")):
        pids = _known(event, "pid", "session")
    else:
        opened = next(iter(of_link(trace, "link.opened", event)), None)
        if opened is None:
            return False
        pids = _known(opened, "client_pid", "client_session")
        if not pids:
            return _one_at_a_time(trace) and not _names_processes(trace)
    started = trace.first("process.started", life=event.life)
    return started is not None and started.data.get("pid") in pids


def of_link(trace: Trace, kind: str, event: Event) -> list[Event]:
    """The proxy's events of this kind on the same link."""
    link = event.data.get("link")
    found = trace.by_link.get(link, ()) if isinstance(link, str) else ()
    return [e for e in found if e.kind == kind and e.target == event.target and e.source != "app"]


def gone_of(trace: Trace, syn: Event) -> list[Event]:
    """How the wait of a dropped SYN's socket ended, after the SYN was seen."""
    gone = trace.of("gate.syn_gone", target=syn.target)
    inode = syn.data.get("inode")
    return [e for e in gone if e.data.get("inode") == inode and e.mono_ns >= syn.mono_ns]


def was_refused(trace: Trace, event: Event, target: str) -> bool:
    """Whether a line of the app is its own ECONNREFUSED for the address of `target`.

    A line without an address has the one with which its phase began.
    """
    address = _address(trace, event)
    return _is_refusal(event) and address is not None and address == trace.address(target)


def may_be_refused(trace: Trace, event: Event, target: str) -> bool:
    """Whether a line of the app is an ECONNREFUSED without an address that `target` may have given.

    Over a Unix socket drivers name no address, nor does uvloop over TCP. The control life came to
    the target, and was refused nowhere. That is weaker than `was_refused`: only the time of the
    line says whose refusal it is.
    """
    if not _is_refusal(event) or _address(trace, event) is not None:
        return False
    is_usual = any(_is_refusal(each) for each in trace.control if each.source == "app")
    return not is_usual and bool(in_control(trace, "link.opened", target=target))


def refused_life(trace: Trace, event: Event) -> Life | None:
    """The life that a refusal which the gate itself counted belongs to; None if nothing says so.

    A refused client has no socket left to be found by. Only the app of the run knows the address,
    so it is the life that ran, if there was only one.
    """
    if not trace.scenario.get("is_own_app") or not _one_at_a_time(trace):
        return None
    began = [e for e in trace.of("process.started") if e.mono_ns <= event.mono_ns]
    if not began or began[-1].life is None:
        return None
    ended = trace.first("process.exited", life=began[-1].life)
    return began[-1].life if ended is None or event.mono_ns <= ended.mono_ns else None


def _is_refusal(event: Event) -> bool:
    errnos = [error.get("errno") for error in errors_of(event.data)]
    return any(isinstance(number, int) and number in _REFUSED_ERRNOS for number in errnos)


def _address(trace: Trace, event: Event) -> object:
    """The address that a line names, or else the line with which its phase began."""
    begun = phase_started(trace, event)
    return event.data.get("address") or (begun.data.get("address") if begun else None)


def _known(event: Event, *names: str) -> list[object]:
    values = [event.data.get(name) for name in names]
    return [value for value in values if value is not None]


def _names_processes(trace: Trace) -> bool:
    return "kernel" in trace.header.get("engine", {}).get("capabilities", ())


def _one_at_a_time(trace: Trace) -> bool:
    overlap = (trace.scenario.get("replicas") or {}).get("overlap", 0)
    return len(trace.replicas()) == 1 and not overlap

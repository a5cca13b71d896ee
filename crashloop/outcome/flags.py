"""What else was seen that the app's developer wants to know, each with its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.control import in_control
from crashloop.checks.lives import observed
from crashloop.model import Flag
from crashloop.outcome.under_fault import tries_under_fault
from crashloop.plural import counted
from crashloop.trace.event import SESSIONS_COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.trace.event import Event, Trace

# SQLSTATE classes that trying again does not change: authorization, no such database, and syntax or
# missing objects (PostgreSQL's documentation, appendix A).
PERMANENT = ("28", "3D", "42")

ON_ALL = ("0.0.0.0", "::")  # noqa: S104  what an app of the user's may listen on


def flags_of(trace: Trace) -> dict[Flag, str]:
    """The flags of a run, in the order of `Flag`."""
    found = {flag: says(trace) for flag, says in _FLAGS.items()}
    return {flag: says for flag, says in found.items() if says}


def port_before_ready(trace: Trace) -> bool | None:
    """Whether a life's port accepted a connection before it was ready; None if nothing shows it.

    An app whose readiness is its port cannot show it.
    """
    ready = (trace.scenario.get("app") or {}).get("ready") or {}
    if not ready.get("path") and not ready.get("log"):
        return None
    events = [*trace.control, *observed(trace, "port.opened", "ready.answered")]
    lives = {e.life for e in events if e.kind == "port.opened"}
    first = {
        life: next((e for e in events if e.kind == "ready.answered" and e.life == life), None)
        for life in lives
    }
    if not lives:
        return None
    return any(answer is None or answer.data.get("ready") is not True for answer in first.values())


def _ready_but_broken(trace: Trace) -> str:
    failed = [e for e in tries_under_fault(trace) if e.data.get("passed") is not True]
    broken = [e for e in failed if _was_ready(trace, e)]
    if not broken:
        return ""
    return f"it called itself ready while its journey failed ({broken[0].data.get('why')})"


def _was_ready(trace: Trace, tried: Event) -> bool:
    answers = observed(trace, "ready.answered", life=tried.life)
    last = [e for e in answers if e.mono_ns <= tried.mono_ns][-1:]
    return bool(last) and last[0].data.get("ready") is True


def _of_before(trace: Trace, field: str) -> str:
    found = [says for e in observed(trace, "before.checked") for says in e.data.get(field) or ()]
    return "; ".join(str(says) for says in found)


def _connections_left(trace: Trace) -> str:
    left = [e for e in observed(trace, SESSIONS_COUNTED) if e.data.get("count")]
    if not left:
        return ""
    count = counted(int(left[0].data["count"]), "connection")
    return f"{trace.name(left[0].life)} left {count} in {left[0].target}"


def _retried_permanent(trace: Trace) -> str:
    told: dict[tuple[object, str], int] = {}
    for event in trace.events:
        state = event.data.get("sqlstate")
        if event.source == "database" and event.life and isinstance(state, str):
            told[event.life, state] = told.get((event.life, state), 0) + 1
    often = [(state, n) for (_, state), n in told.items() if state[:2] in PERMANENT and n > 1]
    if not often:
        return ""
    state, times = often[0]
    return f"it tried again {counted(times - 1, 'time')} after SQLSTATE {state}, which stays"


def _sigterm_ignored(trace: Trace) -> str:
    ended = in_control(trace, "control.ended")
    ignored = any(e.data.get("sigterm_ignored") for e in ended)
    return "it was ready, and did not end within 10 s of SIGTERM" if ignored else ""


def _sigterm_ignored_at_start(trace: Trace) -> str:
    ready = {e.life for e in observed(trace, "ready.answered") if e.data.get("ready") is True}
    killed = {
        e.life for e in observed(trace, "process.killed") if e.data.get("signal") == "SIGKILL"
    }
    stopped = [e for e in observed(trace, "process.exited") if e.data.get("requested")]
    killed |= {e.life for e in stopped if e.data.get("signal") == "SIGKILL"}
    starting = killed - ready
    if not starting:
        return ""
    return f"{trace.name(min(starting, key=str))} was starting, and did not end at SIGTERM"


def _port(trace: Trace) -> str:
    rule = (trace.scenario.get("app") or {}).get("port_before_ready")
    if rule == "allow" or not port_before_ready(trace):
        return ""
    return "its port accepted connections before it was ready, so a TCP probe passes too early"


def _listens_on_all(trace: Trace) -> str:
    found = [a for e in in_control(trace, "control.ended") for a in e.data.get("listens_on") or ()]
    on_all = [address for address in found if address in ON_ALL]
    return f"it listens on {on_all[0]}, so on every interface of this machine" if on_all else ""


_FLAGS: dict[Flag, Callable[[Trace], str]] = {
    Flag.READY_BUT_BROKEN: _ready_but_broken,
    Flag.DATA_LOST: lambda trace: _of_before(trace, "lost"),
    Flag.DATA_DOUBLED: lambda trace: _of_before(trace, "doubled"),
    Flag.CONNECTIONS_LEFT: _connections_left,
    Flag.RETRIED_PERMANENT: _retried_permanent,
    Flag.SIGTERM_IGNORED: _sigterm_ignored,
    Flag.SIGTERM_IGNORED_AT_START: _sigterm_ignored_at_start,
    Flag.PORT_BEFORE_READY: _port,
    Flag.LISTENS_ON_ALL: _listens_on_all,
}

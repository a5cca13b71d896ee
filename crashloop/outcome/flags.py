"""What else was seen that the app's developer wants to know, each with its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.ends import code_of
from crashloop.checks.journey import begun_ns
from crashloop.checks.lives import in_control, observed, of_replicas
from crashloop.checks.serving import opened_too_early
from crashloop.checks.touches import life_of_word
from crashloop.model import CONTROL, Flag
from crashloop.outcome.under_fault import tries_under_fault
from crashloop.plural import counted
from crashloop.trace.event import SESSIONS_COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.trace.event import Event, Trace

# SQLSTATE classes that trying again does not change: authorization, no such database, and syntax or
# missing objects (PostgreSQL's documentation, appendix A).
PERMANENT = ("28", "3D", "42")

# SIGKILL, as a shell and Docker call an end by it.
SIGKILL = 137

# How long an app has had to end at SIGTERM. Chosen: where a run stops its app, it has as long.
TERM_S = 3.0

ANSWER_S = 0.5
"""How long a life may take to answer, or to end once its port is shut, in wall seconds. Chosen."""

ON_ALL = ("0.0.0.0", "::")  # noqa: S104  what an app of the user's may listen on


def flags_of(trace: Trace) -> dict[Flag, str]:
    """The flags of a run, in the order of `Flag`."""
    found = {flag: says(trace) for flag, says in _FLAGS.items()}
    return {flag: says for flag, says in found.items() if says}


def port_before_ready(trace: Trace) -> bool | None:
    """Whether a life's port accepted a connection before it was ready; None if nothing shows it.

    An app whose readiness is its port cannot show it, nor a life whose port somebody else had
    taken. A port that was watched and never opened was not open too early.
    """
    ready = (trace.scenario.get("app") or {}).get("ready") or {}
    if not ready.get("path") and not ready.get("log"):
        return None
    taken = {e.life for e in observed(trace, "process.port_taken")}
    opened = of_replicas(trace, observed(trace, "port.opened"))
    opened = [e for e in opened if e.life not in taken]
    shown = [early for e in opened if (early := opened_too_early(trace, e)) is not None]
    watched = of_replicas(trace, observed(trace, "port.watched"))
    stayed_shut = any(e.data.get("probes") and not e.data.get("opened") for e in watched)
    return any(shown) if shown or stayed_shut else None


def tries_called_ready(trace: Trace) -> list[Event]:
    """The tries of the journey that failed under a fault while the app called itself ready."""
    failed = [e for e in tries_under_fault(trace) if e.data.get("passed") is not True]
    return [e for e in failed if _was_ready(trace, e)]


def _ready_but_broken(trace: Trace) -> str:
    broken = tries_called_ready(trace)
    if not broken:
        return ""
    return f"it called itself ready while its journey failed ({broken[0].data.get('why')})"


def _was_ready(trace: Trace, tried: Event) -> bool:
    """Whether a life called itself ready from the beginning of a try until it was asked again.

    A try that failed because the life died is no broken promise: the platform sees a death. Such a
    life often closes its port a moment before it ends.
    """
    until_ns = tried.mono_ns + round(_asked_every_s(trace) * 1e9)
    answers = observed(trace, "ready.answered", life=tried.life)
    before = [e for e in answers if e.mono_ns <= begun_ns(tried)][-1:]
    later = [e for e in answers if begun_ns(tried) < e.mono_ns <= until_ns]
    ended = observed(trace, "process.exited", life=tried.life)
    ended = [e for e in ended if e.mono_ns <= tried.mono_ns or not e.data.get("requested")]
    said = [e.data.get("ready") is True for e in (*before, *later)]
    return bool(before) and all(said) and not any(e.mono_ns <= until_ns for e in ended)


def _asked_every_s(trace: Trace) -> float:
    """Within how many wall seconds a life that has stopped being ready has been seen to."""
    ready = (trace.scenario.get("app") or {}).get("ready") or {}
    return float(ready.get("every_s") or 0.0) + ANSWER_S


def _of_before(trace: Trace, field: str) -> str:
    found = [says for e in observed(trace, "before.checked") for says in e.data.get(field) or ()]
    return "; ".join(str(says) for says in found)


def _connections_left(trace: Trace) -> str:
    left = [e for e in of_replicas(trace, observed(trace, SESSIONS_COUNTED)) if e.data.get("count")]
    if not left:
        return ""
    count = counted(int(left[0].data["count"]), "connection")
    return f"{trace.name(left[0].life)} left {count} in {left[0].target}"


def _retried_permanent(trace: Trace) -> str:
    """A life that connected again although the server had said what stays.

    What the server also says without a fault, such as that a table is missing before it is made, is
    none. Nor are several errors on one connection.
    """
    clients: dict[tuple[object, str], set[object]] = {}
    usual: set[str] = set()
    for event in trace.events:
        state, client = event.data.get("sqlstate"), event.data.get("client")
        if event.source == "app" or not isinstance(state, str) or state[:2] not in PERMANENT:
            continue
        _, life = life_of_word(trace, event)
        if life == CONTROL:
            usual.add(state)
        elif life and isinstance(client, str):
            clients.setdefault((life, state), set()).add(client)
    times = [(len(of), state) for (_, state), of in clients.items() if state not in usual]
    most, state = max(times, default=(0, ""))
    if most < 2:  # noqa: PLR2004  the first time, and again
        return ""
    return f"it tried again {counted(most - 1, 'time')} after SQLSTATE {state}, which stays"


def _sigterm_ignored(trace: Trace) -> str:
    ended = in_control(trace, "control.ended")
    ignored = any(e.data.get("sigterm_ignored") for e in ended)
    return "it was ready, and did not end within 10 s of SIGTERM" if ignored else ""


def _sigterm_ignored_at_start(trace: Trace) -> str:
    """A life that was never ready, and that SIGKILL had to end, 3 wall seconds after SIGTERM.

    A platform's grace period may be shorter in a scaled run, which shows nothing.
    """
    ready = {e.life for e in observed(trace, "ready.answered") if e.data.get("ready") is True}
    ended = of_replicas(trace, observed(trace, "process.exited"))
    starting = [e for e in ended if code_of(e) == SIGKILL and e.life not in ready]
    for event in starting:
        sent = observed(trace, "process.killed", life=event.life)
        term = [e.mono_ns for e in sent if e.data.get("signal") == "SIGTERM"]
        waited_s = (event.mono_ns - min(term)) / 1e9 if term else 0.0
        if event.data.get("requested") or waited_s >= TERM_S:
            return f"{trace.name(event.life)} was starting, and did not end at SIGTERM"
    return ""


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

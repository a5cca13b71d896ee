"""The process and what the system allows it: its port, its files, its memory.

Words: uvicorn 0.54, gunicorn 26, hypercorn 0.18; Linux' errnos; libpq 18; Kubernetes 1.31; Cloud
Run's system log.
"""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.signs import (
    KILLED,
    error,
    exited,
    killed,
    platform_said,
    restarts,
    start_refused,
)
from crashloop.logs.event import EXITED, PLATFORM_SAID, SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event


def _over_memory_while_serving(case: Case) -> Sequence[Event]:
    """What the platform said of memory after the same source had become ready."""
    said = [e for e in case.trace.of(PLATFORM_SAID) if e.data.get("says") == OVER_MEMORY]
    ready = {life.source: life.ready.seq for life in case.lives if life.ready}
    return [e for e in said if ready.get(str(e.target), e.seq) < e.seq]


def _killed_while_serving(case: Case) -> Sequence[Event]:
    """The ends for memory of lives that were ready, where no two lives' lines are mixed."""
    mixed = {life.source for life, after in pairwise(case.lives) if _overlap(life, after)}
    ends = [life.exit for life in case.lives if life.was_ready and life.source not in mixed]
    return [e for e in ends if e is not None and e.data.get("reason") == "OOMKilled"]


def _overlap(life: LifeLog, after: LifeLog) -> bool:
    return life.source == after.source and life.exit is None


def _served_after_the_stop(case: Case) -> Sequence[Event]:
    """A stop, the readiness that came after it, and SIGKILL's end; nothing of a shut-down."""
    for life in case.lives:
        end, ready = life.exit, life.ready
        was_told = any(e.kind == SERVER and e.data["says"] == "shutdown" for e in life.events)
        if end is None or ready is None or was_told or end.data.get("exit_code") != KILLED:
            continue
        for stop in case.trace.of(PLATFORM_SAID):
            is_theirs = stop.target == life.source and _is_stop(stop)
            if is_theirs and life.events[0].seq < stop.seq < ready.seq and _are_dated(stop, ready):
                return [stop, ready, end]
    return ()


def _is_stop(event: Event) -> bool:
    is_signal = event.data.get("signal") == signal.SIGTERM
    is_pods = str(event.data.get("text")).startswith("Stopping container")
    return event.data.get("says") == "killing" and (is_signal or is_pods)


def _are_dated(*events: Event) -> bool:
    return all(event.data.get("at_ns") is not None for event in events)


def _hidden_by_the_reloader(case: Case) -> Sequence[Event]:
    """The reloader and the failed start under it, in a life of which no end is told."""
    found: list[Event] = []
    for life in case.lives:
        said = {e.data["says"]: e for e in life.events if e.kind == SERVER}
        if any(e.kind == EXITED for e in life.events) or "startup_complete" in said:
            continue
        if "reloader" in said and "startup_failed" in said:
            found += [said["reloader"], said["startup_failed"]]
    return found


OVER_MEMORY = "memory-limit-exceeded"
CAUSES = (
    Cause(
        id="port-in-use",
        title="the app's port is taken",
        meaning="Another process listens on the port already (EADDRINUSE).",
        in_logs=InLogs(
            decides=(
                start_refused(
                    "the web server could not bind: the address is in use",
                    "bind_failed",
                    "port_in_use",
                    text=r"\[Errno (?:98|48)\]|^Connection in use",
                ),
                error("the app could not bind: the address is in use", errnos=(98, 48)),
                platform_said("the host's port is taken", "port-allocated"),
            ),
            points=(restarts(),),
            next="who listens there: ss -ltnp; a second server in the same container or pod",
        ),
    ),
    Cause(
        id="permission-denied",
        title="the app's user may not open a file, a socket or a port",
        meaning="The system refused what the app's user may not do (EACCES).",
        in_logs=InLogs(
            decides=(
                error(
                    "a file or folder may not be opened",
                    types=("PermissionError",),
                    errnos=(13,),
                ),
                error(
                    "the database's socket may not be opened",
                    message=r'on socket "/[^"]*" failed: Permission denied',
                ),
                start_refused(
                    "the web server may not bind that port", "bind_failed", text=r"\[Errno 13\]"
                ),
            ),
            points=(restarts(),),
            next="the user of the process beside the owner and mode of that path (ls -ldn)",
        ),
    ),
    Cause(
        id="database-socket-missing",
        title="the database's socket is not in the app's container",
        meaning="The app connects to a Unix socket, and there is none at that path.",
        in_logs=InLogs(
            decides=(
                error(
                    "there is no such socket",
                    message=r'on socket "/[^"]*" failed: No such file or directory',
                ),
            ),
            points=(restarts(),),
            next="the host in the URL; what mounts the socket: a proxy, Cloud SQL's connection",
        ),
    ),
    Cause(
        id="out-of-memory",
        title="the app is killed for its memory while it serves",
        meaning="The start succeeds; the limit of memory ends the app later.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="a life that was ready was killed for its memory",
                    look=_killed_while_serving,
                ),
                Sign(
                    says="the limit of memory was exceeded after the app was ready",
                    look=_over_memory_while_serving,
                ),
            ),
            points=(killed(), restarts()),
            refutes=(exited("it was killed before it was ready", reason="OOMKilled", ready=False),),
            next="the memory over time beside the limit; this is no failure of the start",
        ),
    ),
    Cause(
        id="sigterm-lost-while-importing",
        title="a stop that comes while the app starts is lost",
        meaning="PID 1 has no handler for SIGTERM yet, so the kernel drops it: the app starts and "
        "serves until SIGKILL.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app was told to stop before it was ready, became ready, and was "
                    "killed at the end of its grace",
                    look=_served_after_the_stop,
                ),
            ),
            refutes=(exited("it was out of memory", reason="OOMKilled", ready=True),),
            next="an init as PID 1 (tini, docker run --init), and an early handler for SIGTERM",
        ),
    ),
    Cause(
        id="reload-parent-hides-failure",
        title="uvicorn --reload stays alive after a failed start",
        meaning="The reloader waits for a change of a file, so nothing sees that the app is down.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the start failed under the reloader, and no exit follows",
                    look=_hidden_by_the_reloader,
                ),
            ),
            covers=True,
            next="start without --reload in production; then the platform sees the exit",
        ),
    ),
)

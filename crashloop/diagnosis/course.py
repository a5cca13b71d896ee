"""How the lives of an app went: what each waited for, whether a later one got through, and when.

A share of its own limit is compared, never seconds: what was waited for is the same at any scale.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.chain import links
from crashloop.diagnosis.signs import HALF
from crashloop.logs.event import SERVER, STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event

SEVERAL = 2
DATABASE = re.compile(r"(?i)data_?base|postgres|\bdb\b|\bsql")
"""What a start-up phase is called that opens a database."""

_TIMED_OUT = re.compile(r"(?:TimeoutError|CancelledError|ConnectionTimeout|ConnectTimeout)$")
_LIBPQ_TIMED_OUT = re.compile(r"timeout expired|connection timed out", re.IGNORECASE)
_LIBPQ_CONNECTING = re.compile(r"connection to server (?:at|on) |connection timeout expired")
# asyncpg 0.32, psycopg 3.2, redis-py 5, asyncio's own and SQLAlchemy's asyncpg dialect.
_CONNECTING = re.compile(
    r"asyncpg/connect_utils\.py:|psycopg/(?:_?connection\w*|waiting)\.py:\w*connect"
    r"|psycopg/generators\.py:_?connect|psycopg2/__init__\.py:connect"
    r"|asyncio/\w+\.py:_?(?:sock_connect|_sock_connect|create_connection|create_unix_connection)"
)
_ANSWERED = re.compile(
    r"(?:protocol/protocol\.pyx|asyncpg/(?:connection|prepared_stmt|cursor|transaction)\.py)"
    r":(?!connect)|psycopg/generators\.py:_?(?:execute|fetch)|psycopg/(?:cursor\w*)\.py:"
)


def timed_out(event: Event) -> bool:
    """Whether an error is a time-out that no server's word explains."""
    chain = links(event)
    if any(link.get("sqlstate") for link in chain):
        return False
    return any(
        _TIMED_OUT.search(str(link.get("type")))
        or _LIBPQ_TIMED_OUT.search(str(link.get("message")))
        for link in chain
    )


def is_connecting(event: Event) -> bool:
    """Whether the innermost frame that an error has is where a driver opens a connection."""
    return any(
        _CONNECTING.search(str(link.get("where")))
        or _LIBPQ_CONNECTING.search(str(link.get("message")))
        for link in links(event)
    )


def is_waiting_for_an_answer(event: Event) -> bool:
    """Whether it arose where a driver waits for the answer to a statement."""
    return any(_ANSWERED.search(str(link.get("where"))) for link in links(event))


def hung_lives(case: Case) -> list[tuple[LifeLog, Event]]:
    """The lives that ended with a time-out, and it; none if that is under half of those failed."""
    failed = [(life, life.errors[-1]) for life in case.lives if life.errors and life.failed]
    found = [(life, error) for life, error in failed if timed_out(error)]
    return found if len(found) >= HALF * len(failed) else []


def hung_while_connecting(case: Case) -> Sequence[Event]:
    """The time-outs of lives that hung before they had a connection."""
    hung = hung_lives(case)
    found = [error for _, error in hung if is_connecting(error)]
    return found if found and len(found) >= HALF * len(hung) else ()


def hung_for_an_answer(case: Case) -> Sequence[Event]:
    """The time-outs of lives that had a connection and waited for a statement's answer."""
    hung = hung_lives(case)
    found = [error for _, error in hung if is_waiting_for_an_answer(error)]
    return found if found and len(found) >= HALF * len(hung) else ()


def open_while_hung(case: Case) -> Sequence[Event]:
    """Where lives that hung said before that they were started, so that their port was open.

    None where a server said that a start-up failed: it says one of the two in a life. Nor where a
    traceback begins in the lifespan, which comes before that, or has lost where it begins.
    """
    hung = hung_lives(case)
    said = [event for life, _ in hung for event in life.events if event.kind == SERVER]
    is_after = all(_is_after_the_lifespan(error) for _, error in hung)
    if not is_after or any(event.data["says"] == "startup_failed" for event in said):
        return ()
    found = [
        event
        for life, error in hung
        for event in life.events[: life.events.index(error)]
        if event.kind == SERVER and event.data["says"] == "startup_complete"
    ]
    return found if len(found) >= HALF * len(hung) else ()


def _is_after_the_lifespan(error: Event) -> bool:
    began = [str(link.get("began") or "") for link in links(error)]
    is_whole = not error.data.get("is_torn") and bool(began and began[0])
    return is_whole and not any(each.endswith("lifespan") for each in began)


def got_through(case: Case, *, at_once: bool) -> Sequence[Event]:
    """Where later lives of sources that hung got through: in under half of the limit, or over."""
    hung = hung_lives(case)
    last = {life.source: life.attempt for life, _ in hung}
    waits = [wait for life, error in hung if (wait := _waited(life, error)) is not None]
    found = []
    for life in case.lives:
        is_later = life.attempt > last.get(life.source, life.attempt)
        if not is_later or life.failed or life.errors or not life.was_ready:
            continue
        done = _came_through(life)
        share = _share(life, done, min(waits, default=0.0))
        if share is not None and (share < HALF) is at_once:
            found.append(done)
    return found


def let_in(case: Case) -> Sequence[Event]:
    """What the server's log has of connections that came while lives hung; instants tell."""
    hung = hung_lives(case)
    came = _connections(case)
    found = [
        next((event for event in came if _within(event, life, error)), None) for life, error in hung
    ]
    seen = [event for event in found if event is not None]
    return seen if seen and len(seen) >= HALF * len(hung) else ()


def never_came(case: Case) -> Sequence[Event]:
    """The time-outs during which a server that logs its connections had none."""
    hung, came = hung_lives(case), _connections(case)
    if not came:
        return ()
    alone = [
        error
        for life, error in hung
        if _at(error) is not None and not any(_within(event, life, error) for event in came)
    ]
    return alone if len(alone) == len(hung) else ()


def probed_before(case: Case) -> Sequence[Event]:
    """Where sources of lives that hung say that the database had answered a probe connection."""
    hung = {life.source for life, _ in hung_lives(case)}
    return [
        event
        for life in case.lives
        if life.source in hung
        for event in life.events
        if event.kind == "database.probed"
    ]


def were_ready_before(case: Case) -> Sequence[Event]:
    """Where sources of which a later life failed had been ready, if there are three or more."""
    last_failed = {life.source: life.attempt for life in case.lives if life.failed}
    ready = {
        life.source: _came_through(life)
        for life in case.lives
        if life.was_ready and life.attempt < last_failed.get(life.source, 0)
    }
    return tuple(ready.values()) if len(ready) > SEVERAL else ()


def workers(life: LifeLog) -> Sequence[Event]:
    """The starts of a life's workers under one parent, if there are several."""
    said = [event for event in life.events if event.kind == SERVER]
    if not any(_is_of_a_parent(event) for event in said):
        return ()
    by_pid: dict[object, Event] = {}
    for event in life.events:
        pid = event.data.get("pid")
        if event.kind == SERVER and event.data["says"] in {"started", "worker_started"}:
            text = str(event.data.get("text"))
            if not text.startswith("Started parent") and (found := re.search(r"\d+", text)):
                by_pid.setdefault(int(found[0]), event)
        elif event.kind == "startup.started" and isinstance(pid, int):
            by_pid.setdefault(pid, event)
    return tuple(by_pid.values()) if len(by_pid) >= SEVERAL else ()


def _is_of_a_parent(event: Event) -> bool:
    text = str(event.data.get("text"))
    return event.data["says"] == "worker_started" or text.startswith(
        ("Started parent process", "Starting gunicorn")
    )


def begins(life: LifeLog) -> Event:
    """The first event of a life."""
    started = [e for e in life.events if e.kind in {STARTED, SERVER}]
    return (started or list(life.events))[0]


def _came_through(life: LifeLog) -> Event:
    of_phase = [
        e
        for e in life.events
        if e.kind == "phase.completed" and DATABASE.search(str(e.data.get("phase")))
    ]
    said = [e for e in life.events if e.kind in {"startup.completed", SERVER}]
    return (of_phase or said)[-1 if of_phase else 0]


def _share(life: LifeLog, done: Event, waited_s: float) -> float | None:
    """How much of the limit a life that got through took; None where nothing tells.

    In a log that names no source, another app's lines may stand between: a long start may be two.
    """
    took, limit = done.data.get("duration_s"), done.data.get("limit_s")
    if isinstance(took, int | float) and isinstance(limit, int | float) and limit > 0:
        return float(took) / float(limit)
    ready = next((e for e in life.events if e.data.get("says") == "startup_complete"), None)
    start, end = _at(begins(life)), _at(ready) if ready else None
    if start is None or end is None or not waited_s:
        return None
    share = (end - start) / 1e9 / waited_s
    return share if life.source or share < HALF else None


def _waited(life: LifeLog, error: Event) -> float | None:
    start, end = _at(begins(life)), _at(error)
    return (end - start) / 1e9 if start is not None and end is not None and end > start else None


def _connections(case: Case) -> list[Event]:
    """What Postgres logs of connections with log_connections on, but for its own socket's."""
    return [
        event
        for event in case.trace.of("database.said")
        if str(event.data.get("message")).startswith("connection authorized")
    ]


def _within(event: Event, life: LifeLog, error: Event) -> bool:
    at, start, end = _at(event), _at(begins(life)), _at(error)
    return at is not None and start is not None and end is not None and start <= at <= end


def _at(event: Event | None) -> int | None:
    at_ns = event.data.get("at_ns") if event is not None else None
    return at_ns if isinstance(at_ns, int) else None

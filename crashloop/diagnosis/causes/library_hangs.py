"""Incidents of the library in which starts hang at a database until their limit.

What they hung for decides: a connection, or an answer; and whether a later start hung, too. Words:
PostgreSQL 18 (postgres.c, lockfuncs.c, backend_startup.c).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.case import FAILED
from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.chain import links
from crashloop.diagnosis.course import (
    got_through,
    hung_for_an_answer,
    hung_lives,
    hung_while_connecting,
    let_in,
    never_came,
    open_while_hung,
    probed_before,
    were_ready_before,
)
from crashloop.diagnosis.signs import fatal, restarts, server_log
from crashloop.logs.event import SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

_ADVISORY = re.compile(r"pg_(?:try_)?advisory_(?:xact_)?lock|Lock on advisory lock")


def _hung(case: Case) -> Sequence[Event]:
    """Connections that hung in a start that its server saw fail, so that it did not listen yet."""
    said = [event for life, _ in hung_lives(case) for event in life.events if event.kind == SERVER]
    is_start = any(event.data["says"] in FAILED for event in said)
    return hung_while_connecting(case) if is_start and not open_while_hung(case) else ()


def _through_at_once(case: Case) -> Sequence[Event]:
    return got_through(case, at_once=True) if _hung(case) else ()


def _through_late(case: Case) -> Sequence[Event]:
    return got_through(case, at_once=False) if _hung(case) else ()


def _hung_with_open_port(case: Case) -> Sequence[Event]:
    return open_while_hung(case) if hung_while_connecting(case) else ()


def _hung_after_an_answer(case: Case) -> Sequence[Event]:
    return (*probed_before(case), *let_in(case)) if hung_while_connecting(case) else ()


def _herd_at_its_read(case: Case) -> Sequence[Event]:
    """Statements that the server was at when instants that had been ready gave up."""
    return _CANCELLED.look(case) if were_ready_before(case) and hung_lives(case) else ()


def _waits_for_advisory(case: Case) -> Sequence[Event]:
    """What a server's log, or an app's error, says of an advisory lock that was waited for."""
    said = [
        event
        for event in case.trace.of("database.said")
        if _ADVISORY.search(f"{event.data.get('statement')} {event.data.get('message')}")
    ]
    asked = fatal(
        "", lambda e: any(_ADVISORY.search(str(link.get("message"))) for link in links(e))
    )
    return (*said, *asked.look(case))


def _one_served(case: Case) -> Sequence[Event]:
    """Where another source was ready before the first one failed."""
    failed = case.failed
    if not failed:
        return ()
    first, sources = failed[0].events[-1].mono_ns, {life.source for life in failed}
    return [
        event
        for life in case.lives
        if life.source not in sources and life.was_ready
        for event in life.events
        if event.kind in {SERVER, "startup.completed"} and event.mono_ns < first
    ][-1:]


def _lock_stayed(case: Case) -> Sequence[Event]:
    is_left = _one_served(case) or _POOLER.look(case)
    return _waits_for_advisory(case) if is_left else ()


_CANCELLED = server_log(
    "the server was at what they read",
    severity=("ERROR",),
    message="^canceling statement due to (?:user request|statement timeout)",
)
_POOLER = Sign(says="a pooler is between", look=lambda case: case.trace.of("pooler.said"))
_HUNG = Sign(says="starts hung while they connected to the database", look=_hung)
_LET_IN = Sign(says="the server let a connection in while they hung", look=let_in)
_ANSWER = Sign(says="starts hung for an answer, on a connection", look=hung_for_an_answer)
_OPEN = Sign(says="starts listened, and hung while they connected", look=_hung_with_open_port)
_AFTER = Sign(says="starts hung after the database had answered", look=_hung_after_an_answer)
_HERD = Sign(says="the same instances had been ready before", look=were_ready_before)
_LATE = Sign(says="a start that got through waited for long, too", look=_through_late)
_AT_ONCE = Sign(says="a start after those that hung got through at once", look=_through_at_once)
_LOCK = Sign(says="an advisory lock was waited for", look=_waits_for_advisory)

CAUSES = (
    Cause(
        id="issue-1278",
        title="connections take longer than the database phase may, until the path has scaled",
        meaning="Each start hangs until its limit while it connects, and later ones get through at "
        "once: the path to the database was too slow for new connections, or carried none.",
        reproduce="crashloop reproduce issue-1278",
        in_logs=InLogs(
            decides=(_AT_ONCE,),
            points=(
                _HUNG,
                Sign(says="the server logs connections and had none meanwhile", look=never_came),
            ),
            refutes=(_LATE, _LET_IN, _ANSWER, _OPEN, _AFTER, _HERD),
            next="the connector's load, how many start at once, and whether others got through",
        ),
    ),
    Cause(
        id="egress-cold-start-late-port",
        title="a new instance has no egress at first, for longer than its pool waits",
        meaning="Every start hangs while it connects, the one that succeeds, too: each new "
        "instance is without a network at first.",
        reproduce="crashloop reproduce egress-cold-start-late-port",
        in_logs=InLogs(
            decides=(_LATE,),
            points=(_HUNG,),
            refutes=(_AT_ONCE, _LET_IN, _ANSWER, _OPEN, _AFTER, _HERD),
            next="how long a new instance is without egress, beside the limit of its pool",
        ),
    ),
    Cause(
        id="egress-cold-start-early-port",
        title="a new instance has no egress at first, and its port is open before it can serve",
        meaning="The port opens, requests arrive, and then the start hangs at the database and "
        "dies.",
        reproduce="crashloop reproduce egress-cold-start-early-port",
        in_logs=InLogs(
            decides=(_OPEN,),
            points=(restarts(),),
            refutes=(_LET_IN, _ANSWER, _AFTER, _HERD),
            next="open the port after the first connection, which waits as long as egress does",
        ),
    ),
    Cause(
        id="half-fixed-probe-connection",
        title="a retry covers a probe connection only, and the first real one dies",
        meaning="The database answered a first connection, and the next one hung until its limit.",
        reproduce="crashloop reproduce half-fixed-probe-connection",
        in_logs=InLogs(
            decides=(_AFTER,),
            points=(Sign(says="they hung while they connected", look=hung_while_connecting),),
            refutes=(_ANSWER, _HERD),
            next="what is tried again: the first real query needs the retry, not a probe",
        ),
    ),
    Cause(
        id="restart-herd",
        title="all instances restart at once and overload what they read",
        meaning="Instances that had been ready start together, and the server is at what all of "
        "them read until they give up, again and again.",
        reproduce="crashloop reproduce restart-herd",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the server was at what they read when they gave up",
                    look=_herd_at_its_read,
                ),
            ),
            points=(_HERD, _ANSWER),
            refutes=(_LOCK,),
            next="let them start one after another, and with jitter",
        ),
    ),
    Cause(
        id="orphaned-advisory-lock-behind-a-pooler",
        title="a migration's advisory lock stays in a pooler's session, and later starts wait",
        meaning="One instance started; those after it wait for a lock that nobody returns.",
        reproduce="crashloop reproduce orphaned-advisory-lock-behind-a-pooler",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="starts waited for an advisory lock after another one had succeeded",
                    look=_lock_stayed,
                ),
            ),
            points=(_POOLER, Sign(says="another instance had started", look=_one_served)),
            next="pg_locks: which session holds the advisory lock, and whether it is a pooler's",
        ),
    ),
)

"""Incidents of the library in which Postgres has no connection left: SQLSTATE 53300, three ways.

Words: PostgreSQL 10 to 18, InitProcess of proc.c and InitPostgres of postinit.c.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.chain import links
from crashloop.diagnosis.course import SEVERAL, workers
from crashloop.diagnosis.signs import error, restarts, server_log
from crashloop.logs.event import EXITED, SERVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event

_NO_SLOT = re.compile(
    r"sorry, too many clients already|remaining connection slots are reserved"
    r"|too many connections for (?:role|database)"
)
_refused = error("Postgres had no connection left for the app: 53300", message=_NO_SLOT.pattern)
_server = server_log(
    "the server had no connection left", severity=("FATAL",), message=_NO_SLOT.pattern
)


def _of_workers(case: Case) -> Sequence[Event]:
    """The workers of lives of which one was refused, if each such life has several."""
    of_lives = [workers(life) for life in case.lives if _refusals(life)]
    return [event for each in of_lives for event in each] if all(of_lives) else ()


def _refusals(life: LifeLog) -> list[Event]:
    """The errors of a life that are refusals, those of tries that were not its last one, too."""
    return [
        event
        for event in life.events
        if any(_NO_SLOT.search(str(link.get("message"))) for link in links(event))
    ]


def _of_several(case: Case) -> Sequence[Event]:
    """Refusals of an app of which three instances or more are seen."""
    seen = _instances(life for life in case.lives if life.was_ready or _refusals(life))
    return _refused.look(case) if len(seen) > SEVERAL else ()


def _instances(lives: Iterable[LifeLog]) -> set[str]:
    """The sources of lives, but for those that are a part of another: a pod of its container."""
    found = {life.source for life in lives}
    return {one for one in found if one and not any(o.startswith(f"{one}/") for o in found)}


def _old_and_stuck(case: Case) -> Sequence[Event]:
    """Where the one old instance was ready, if the only new one got in once the old had left."""
    refused = [event for life in case.failed for event in _refusals(life)]
    stuck = {event.replica for event in refused}
    old = [life for life in case.lives if life.was_ready and life.events[0].replica not in stuck]
    is_pair = len(stuck) == 1 and len(old) == 1 and len(_instances(case.lives)) == SEVERAL
    if not is_pair or any(workers(life) for life in case.failed):
        return ()
    left = [
        event
        for event in old[0].events
        if event.kind in {EXITED, "shutdown.started"} or event.data.get("says") == "shutdown"
    ]
    came = [
        event
        for life in case.lives
        if life.events[0].replica in stuck and life.was_ready
        for event in life.events
        if event.kind == SERVER and event.data["says"] == "startup_complete"
    ]
    is_stuck = _first(old[0].events) < _first(refused)
    in_turn = not came or (bool(left) and _first(left) < _first(came))
    told = case.trace.of("platform.said")
    says_so = [e for e in told if e.data.get("says") == "progress-deadline-exceeded"]
    if not is_stuck or not in_turn or not (came or says_so):
        return ()
    return [*left[:1], *came[:1], *says_so[:1]]


def _first(events: Sequence[Event]) -> int:
    return events[0].mono_ns


_WORKERS = Sign(says="each start has several workers, each with a pool", look=_of_workers)
_STUCK = Sign(says="the new instance got in only when the old one left", look=_old_and_stuck)

CAUSES = (
    Cause(
        id="slots-exhausted-at-scale-out",
        title="its instances together want more connections than Postgres has",
        meaning="Postgres refuses connections with SQLSTATE 53300 while others hold all of them.",
        reproduce="crashloop reproduce slots-exhausted-at-scale-out",
        in_logs=InLogs(
            decides=(Sign(says="one of several instances was refused: 53300", look=_of_several),),
            points=(_refused, _server),
            refutes=(_WORKERS, _STUCK),
            next="instances x (pool size + overflow), old revisions too, beside max_connections",
        ),
    ),
    Cause(
        id="workers-times-pool",
        title="a pool for each worker: together more connections than Postgres has",
        meaning="Each worker of one instance opens a pool of its own, and Postgres runs out.",
        reproduce="crashloop reproduce workers-times-pool",
        in_logs=InLogs(
            decides=(_WORKERS,),
            points=(_refused, _server),
            explains=("supervisor-hides-the-failure",),
            next="workers x (pool size + overflow) beside max_connections",
        ),
    ),
    Cause(
        id="rollout-deadlock-on-slots",
        title="the new instance needs connections that the old one keeps until it is ready",
        meaning="The rollout waits for the new instance, which waits for what the old one holds.",
        reproduce="crashloop reproduce rollout-deadlock-on-slots",
        in_logs=InLogs(
            decides=(_STUCK,),
            points=(_refused, _server, restarts()),
            refutes=(_WORKERS,),
            next="a pool of which two fit, or a rollout that stops the old instance first",
        ),
    ),
)

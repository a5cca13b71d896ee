"""Incidents of the library in which a start is refused at once by what it needs.

Words: PostgreSQL 18 (backend_startup.c, xlogrecovery.c), cloud-sql-proxy 1 and 2, Envoy 1.31, redis
7.0 (server.c), glibc's gai_strerror.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.chain import ends_in_code, links
from crashloop.diagnosis.course import DATABASE
from crashloop.diagnosis.refusals import is_refused
from crashloop.diagnosis.signs import became_ready, error, fatal, restarts, server_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

_OWN = re.compile(r"(?:tcp:(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):|unix:.*/cloudsql/)")
_PROXY_READY = re.compile(
    r"The proxy has started successfully and is ready for new connections"
    r"|Ready for new connections|all dependencies initialized\. starting workers"
)


def _refused_then_well(case: Case) -> Sequence[Event]:
    """Refusals at the app's own address, or a side-car's socket, after which a start succeeded."""
    refused = _REFUSED.look(case)
    if any(ends_in_code(event) for life in case.failed for event in life.errors):
        return ()  # the app may have handled the refusal
    if not refused or not all(_is_of_a_database(case, event) for event in refused):
        return ()
    last = {event.replica: event.attempt or 0 for event in refused}
    return [
        event
        for event in refused
        if any(
            life.was_ready and life.attempt > last[event.replica]
            for life in case.lives
            if life.events[0].replica == event.replica
        )
    ]


def _is_of_a_database(case: Case, error: Event) -> bool:
    """Whether the refusal, or that of its life's phase, is a database's at such an address."""
    told = [
        e
        for e in case.trace.of("phase.failed")
        if (e.replica, e.attempt) == (error.replica, error.attempt) and _is_refusal(e)
    ]
    both = (error, *told)
    is_own = any(_OWN.match(str(e.data.get("address") or "")) for e in both)
    is_phase = any(DATABASE.search(str(e.data.get("phase"))) for e in both)
    return is_own and (is_phase or any(is_refused(e) for e in both))


def _is_refusal(event: Event) -> bool:
    return any(link.get("errno") == errno.ECONNREFUSED for link in links(event))


def _proxy_ready(case: Case) -> Sequence[Event]:
    said = case.trace.of("platform.said", "proxy.said")
    return [e for e in said if _PROXY_READY.search(str(e.data.get("text")))]


_REFUSED = fatal("starts were refused", _is_refusal)
_RECOVERS = server_log(
    "the server recovered after a crash",
    message=r"^database system was (?:interrupted|not properly shut down)|^redo starts at",
)

CAUSES = (
    Cause(
        id="database-still-recovering",
        title="Postgres still starts or recovers, and refuses every connection until it is done",
        meaning="The server runs and answers each connection with SQLSTATE 57P03.",
        reproduce="crashloop reproduce database-still-recovering",
        in_logs=InLogs(
            decides=(
                error(
                    "the server said that it is starting up or recovering: 57P03",
                    message=r"the database system is (?:starting up|in recovery mode"
                    r"|not yet accepting connections)",
                ),
            ),
            points=(_RECOVERS, restarts()),
            explains=("database-unreachable",),
            next="the server's log: what its recovery has yet to do; and a retry in the app",
        ),
    ),
    Cause(
        id="name-does-not-resolve-for-ever",
        title="a name that the app needs has no address where it runs, at any start",
        meaning="The resolver has no answer (EAI -2, -3 or -5): nothing was sent to that name.",
        reproduce="crashloop reproduce name-does-not-resolve-for-ever",
        in_logs=InLogs(
            decides=(
                error("a name did not resolve", errnos=(-2, -3, -5)),
                error("libpq could not resolve a name", message="could not translate host name"),
            ),
            points=(restarts(),),
            refutes=(became_ready("a later start succeeded"),),
            explains=("database-unreachable",),
            next="whether the app is on the network of that name: getent hosts NAME where it runs",
        ),
    ),
    Cause(
        id="sidecar-proxy-not-listening-yet",
        title="the database's side-car proxy does not listen yet when the app starts",
        meaning="The app is refused at its own address, where a side-car proxy will listen, and a "
        "later start gets through.",
        reproduce="crashloop reproduce sidecar-proxy-not-listening-yet",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app was refused at its own address, and then got through",
                    look=_refused_then_well,
                ),
            ),
            points=(Sign(says="the proxy said that it is ready", look=_proxy_ready), restarts()),
            refutes=(_RECOVERS,),
            explains=("database-unreachable",),
            next="start the side-car first: a native side-car with a start-up probe, or a retry",
        ),
    ),
    Cause(
        id="cache-still-loading",
        title="Redis still loads its data set and refuses every command",
        meaning="Redis accepts connections and answers each command with LOADING.",
        reproduce="crashloop reproduce cache-still-loading",
        in_logs=InLogs(
            decides=(
                error("Redis said that it is loading", types=("BusyLoadingError",)),
                error(
                    "Redis said LOADING",
                    message="^(?:LOADING )?Redis is loading the dataset in memory",
                ),
            ),
            points=(
                server_log("Redis loads its data set", kind="cache.said", message="Loading RDB"),
                restarts(),
            ),
            next="a retry for BusyLoadingError, or a readiness check of Redis before a start",
        ),
    ),
)

"""Refused connections to a database, beside what its server logged of itself, by their instants."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.chain import links
from crashloop.diagnosis.signs import fatal, server_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
DRIVERS = frozenset({"aiomysql", "asyncpg", "psycopg", "psycopg2", "pymysql", "sqlalchemy"})
PORTS = frozenset({"5432", "5433", "6432", "3306", "1433", "1521"})
_LOOPBACK = re.compile(r"tcp:(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+")
_ready = server_log("ready", message="^database system is ready to accept connections")
_starting = server_log("starting", message="^starting PostgreSQL ")
_stopping = server_log("stopping", message="^received fast shutdown request")
_ended = server_log(
    "ended", message="^(?:received .* shutdown request|database system is shut down)"
)
_listening = server_log("listening", message="^listening on IPv[46] address")


def is_refused(event: Event) -> bool:
    """Whether the error is a refusal, or a missing route, of a database."""
    refused = [link for link in links(event) if link.get("errno") in REFUSALS]
    is_port = str(event.data.get("address") or "").rpartition(":")[2] in PORTS
    return any(is_port or _is_of_driver(link) for link in refused)


def _is_of_driver(link: Mapping[str, Any]) -> bool:
    packages = {str(link.get("type")).split(".", 1)[0], str(link.get("via"))}
    of_libpq = "connection to server at " in str(link.get("message"))
    return of_libpq or not packages.isdisjoint(DRIVERS)


_refused = fatal("refused", is_refused)


def refused_of_database(case: Case) -> Sequence[Event]:
    """The refusals that lives ended with, of at least half of those that failed."""
    return _refused.look(case)


def refused_by_nobody_known(case: Case) -> Sequence[Event]:
    """Those refusals where no log is of the database: its own log would say why."""
    return () if case.trace.of("database.said") else refused_of_database(case)


def refused_at_loopback(case: Case) -> Sequence[Event]:
    """Those of them at the app's own address, if all are."""
    found = _refused.look(case)
    addresses = [str(event.data.get("address") or "") for event in found]
    return found if all(_LOOPBACK.fullmatch(each) for each in addresses) else ()


def refused_as_the_server_started(case: Case) -> Sequence[Event]:
    """The refusals that came before the server, of which one start is told, was ready."""
    ready = _instants(_ready.look(case))
    is_one_start = len(_starting.look(case)) == 1 and not _ended.look(case)
    if not ready or not is_one_start or not _listening.look(case):
        return ()
    found = _refused.look(case)
    at = [_instant(event) for event in found]
    return found if all(each is not None and each < ready[0] for each in at) else ()


def temporary_server(case: Case) -> Sequence[Event]:
    """A server that was ready without TCP, was stopped fast, and ready again with TCP."""
    ready, stopped, listening = (
        sorted(sign.look(case), key=_order) for sign in (_ready, _stopping, _listening)
    )
    if len(ready) < 2 or not stopped or not listening:  # noqa: PLR2004  ready twice
        return ()
    in_order = _order(ready[0]) < _order(stopped[0]) < _order(listening[0]) < _order(ready[1])
    return [ready[0], stopped[0], ready[1]] if in_order else ()


def refused_between_two_servers(case: Case) -> Sequence[Event]:
    """The refusals between the readiness of the temporary server and that of the real one."""
    gap = temporary_server(case)
    first, last = (_instant(gap[0]), _instant(gap[-1])) if gap else (None, None)
    if first is None or last is None:
        return ()
    found = _refused.look(case)
    at = [_instant(event) for event in found]
    return found if all(each is not None and first <= each <= last for each in at) else ()


def _order(event: Event) -> int:
    return event.mono_ns


def _instant(event: Event) -> int | None:
    at_ns = event.data.get("at_ns")
    return at_ns if isinstance(at_ns, int) else None


def _instants(events: Sequence[Event]) -> list[int]:
    return sorted(at for at in map(_instant, events) if at is not None)

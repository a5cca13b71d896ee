"""The own logs of Redis, PgBouncer and Postgres, in lines that the real programs wrote."""

from __future__ import annotations

from typing import Any

import pytest

from crashloop.logs.dependencies import DependencyLines
from crashloop.logs.servers import server_event

PGBOUNCER = "2026-11-28 19:52:24.133 UTC [7995] "


@pytest.mark.parametrize(
    ("line", "kind", "data"),
    [
        ("7366:M 28 Nov 2026 19:51:50.969 * Ready to accept connections", "cache.said",
         {"server": "redis", "severity": "notice", "message": "Ready to accept connections"}),
        ("7366:M 28 Nov 2026 19:51:53.986 # User requested shutdown...", "cache.said",
         {"severity": "warning", "message": "User requested shutdown..."}),
        ("7366:signal-handler (1795895513) Received SIGTERM scheduling shutdown...", "cache.said",
         {"message": "Received SIGTERM scheduling shutdown..."}),
        (PGBOUNCER + "LOG process up: PgBouncer 1.18.0, libevent 2.1.12-stable (epoll)",
         "pooler.said", {"severity": "LOG", "process": "7995"}),
        (PGBOUNCER + "WARNING C-0x563d519ad800: (nodb)/(nouser)@127.0.0.1:34998 pooler error: no "
         "more connections allowed (max_client_conn)", "pooler.said",
         {"severity": "WARNING", "about": "client",
          "message": "pooler error: no more connections allowed (max_client_conn)"}),
        (('{"timestamp":"2026-08-01 09:00:00.000 UTC","pid":74,"error_severity":"FATAL",'
         '"state_code":"28P01","message":"password authentication failed for user \\"a\\"",'
         '"detail":"Role \\"a\\" does not exist.","backend_type":"client backend"}'),
         "database.said", {"severity": "FATAL", "sqlstate": "28P01", "process": "74",
                           "detail": 'Role "a" does not exist.'}),
        (('2026-08-01 09:00:00.000 UTC,"a","b",74,"127.0.0.1:5",66.4a,2,"authentication",'
         '2026-08-01 09:00:00 UTC,3/7,0,FATAL,53300,"sorry, too many clients already",,,,,,,,,"",'
         '"client backend",,0'), "database.said",
         {"severity": "FATAL", "sqlstate": "53300", "message": "sorry, too many clients already"}),
        (("2026-08-01 09:00:00.000 UTC [74]: [1-1] db=b,user=a FATAL:  the database system is "
         "starting up"), "database.said", {"severity": "FATAL", "process": "74"}),
    ],
)  # fmt: skip
def test_a_line_of_a_dependency_is_its_message(line: str, kind: str, data: dict[str, Any]) -> None:
    reader = DependencyLines()

    is_theirs, events = reader.feed(line, 7)
    (event,) = [*events, *reader.end()]

    assert is_theirs
    assert (event.kind, event.at_ns) == (kind, 7)
    assert data.items() <= event.data.items()


@pytest.mark.parametrize(
    "line",
    [
        "7366:M is not Redis", '{"error_severity": "FATAL", "message": "of an app"}',
        "2026-08-01 09:00:00.000 UTC,a,b", "[7] ERROR of an app", "[2026] [INFO] x",
        "[2026-08-01 09:00:00 +0000] [7] [ERROR] Worker (pid:8) was sent SIGKILL!",
    ],
)  # fmt: skip
def test_a_line_that_looks_a_little_like_one_is_an_apps(line: str) -> None:
    assert DependencyLines().feed(line, 1) == (False, [])


def test_hypercorn_says_that_it_listens() -> None:
    event = server_event(
        "[2026-11-28 19:51:58 +0000] [7610] [INFO] Running on http://127.0.0.1:38501 (CTRL + C to "
        "quit)", 1
    )  # fmt: skip

    assert event is not None
    assert (event.data["server"], event.data["says"]) == ("hypercorn", "listening")

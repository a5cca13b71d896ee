"""What real programs print when their dependency is away, read back as events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crashloop.logs import LogReader

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "logs"
REFUSED = 111

Link = tuple[str, int | None, str | None]


def read(name: str) -> list[Any]:
    reader = LogReader()
    lines = (RECORDED / f"{name}.txt").read_text().splitlines()
    found = [event for number, line in enumerate(lines, 1) for event in reader.feed(line, number)]
    return [*found, *reader.end()]


def errors(name: str) -> list[dict[str, Any]]:
    return [dict(event.data) for event in read(name) if event.kind == "log.error"]


def says(name: str) -> list[tuple[str, str]]:
    return [(e.data["server"], e.data["says"]) for e in read(name) if e.kind == "log.server"]


def links(error: dict[str, Any]) -> list[Link]:
    return [(link["type"], link["errno"], link["sqlstate"]) for link in error["error"]]


LOCAL = "tcp:127.0.0.1:1"
PSYCOPG = ("psycopg.OperationalError", REFUSED, None)
FULL = "asyncpg.exceptions.TooManyConnectionsError"
DNS = ("socket.gaierror", -2, None)
WRAPPED = "sqlalchemy.dialects.postgresql.asyncpg.AsyncAdapt_asyncpg_dbapi.Error"
REDIS = "redis.exceptions.ConnectionError"


@pytest.mark.parametrize(
    ("name", "chain", "address"),
    [
        ("asyncpg-refused", [("ConnectionRefusedError", REFUSED, None)], LOCAL),
        ("asyncpg-refused-localhost", [("ConnectionRefusedError", REFUSED, None)], LOCAL),
        ("asyncpg-unix-refused", [("ConnectionRefusedError", REFUSED, None)], None),
        ("asyncpg-unix-missing", [("FileNotFoundError", 2, None)], None),
        ("asyncpg-timed-out",
         [("TimeoutError", None, None), ("asyncio.exceptions.CancelledError", None, None)], None),
        ("asyncpg-too-many", [(FULL, None, "53300")], None),
        ("asyncpg-dns", [DNS], None),
        ("asyncio-refused-twice", [("OSError", REFUSED, None)], LOCAL),
        ("uvloop-refused", [("ConnectionRefusedError", REFUSED, None)], None),
        ("sqlalchemy-asyncpg-too-many",
         [("sqlalchemy.exc.DBAPIError", None, None), (WRAPPED, None, None), (FULL, None, "53300")],
         None),
        ("sqlalchemy-psycopg-refused",
         [("sqlalchemy.exc.OperationalError", REFUSED, None), PSYCOPG], LOCAL),
        ("psycopg-refused", [PSYCOPG], LOCAL),
        ("psycopg-refused-localhost", [PSYCOPG], LOCAL),
        ("psycopg-unix-missing", [("psycopg.OperationalError", 2, None)],
         "unix:/run/postgres/.s.PGSQL.5432"),
        ("psycopg-timed-out", [("psycopg.errors.ConnectionTimeout", None, None)], None),
        ("psycopg-too-many", [("psycopg.OperationalError", None, None)], "tcp:127.0.0.1:5432"),
        ("psycopg-dns", [("psycopg.OperationalError", -2, None)], None),
        ("psycopg-query-canceled", [("psycopg.errors.QueryCanceled", None, "57014")], None),
        ("psycopg2-refused", [("psycopg2.OperationalError", REFUSED, None)], LOCAL),
        ("psycopg2-refused-localhost", [("psycopg2.OperationalError", REFUSED, None)], LOCAL),
        ("psycopg2-unix-missing", [("psycopg2.OperationalError", 2, None)],
         "unix:/run/postgres/.s.PGSQL.5432"),
        ("psycopg2-timed-out", [("psycopg2.OperationalError", None, None)], "tcp:127.0.0.1:5499"),
        ("psycopg2-too-many", [("psycopg2.OperationalError", None, None)], "tcp:127.0.0.1:5432"),
        ("psycopg2-lock-not-available", [("psycopg2.errors.LockNotAvailable", None, "55P03")],
         None),
        ("redis-refused",
         [(REDIS, REFUSED, None), ("ConnectionRefusedError", REFUSED, None)], LOCAL),
        ("redis-asyncio-refused",
         [(REDIS, REFUSED, None), ("ConnectionRefusedError", REFUSED, None)], LOCAL),
        ("redis-timed-out",
         [("redis.exceptions.TimeoutError", None, None), ("TimeoutError", None, None)], None),
        ("redis-unix-missing",
         [(REDIS, 2, None), ("FileNotFoundError", 2, None)], "unix:/run/postgres/redis.sock"),
        ("redis-dns", [(REDIS, -2, None), DNS], "tcp:cache.invalid:6379"),
        ("node-refused", [("Error", REFUSED, None)], LOCAL),
        ("node-refused-localhost",
         [("AggregateError", REFUSED, None), ("Error", REFUSED, None), ("Error", REFUSED, None)],
         LOCAL),
        ("node-unix-missing", [("Error", 2, None)], "unix:/run/postgres/nothing.sock"),
        ("node-dns", [("Error", None, None)], None),
        ("node-cause-logged", [("Error", None, None), ("Error", REFUSED, None)], LOCAL),
        ("node-pg-refused", [("Error", REFUSED, None)], LOCAL),
        ("node-pg-too-many", [("error", None, "53300")], None),
        ("node-pg-timed-out", [("Error", None, None)], None),
        ("node-ioredis-refused", [("Error", REFUSED, None)], LOCAL),
        ("loguru-cause",
         [("RuntimeError", None, None), ("ConnectionRefusedError", REFUSED, None)], None),
        ("rich-cause",
         [("RuntimeError", None, None), ("ConnectionRefusedError", REFUSED, None)], None),
        ("structlog-json", [("ConnectionRefusedError", REFUSED, None)], None),
        ("uvicorn-startup-failed", [("ConnectionRefusedError", REFUSED, None)], None),
        ("gunicorn-worker-failed", [PSYCOPG], LOCAL),
        ("gunicorn-uvicorn-worker-failed", [("ConnectionRefusedError", REFUSED, None)], None),
    ],
)  # fmt: skip
def test_an_error_is_read_with_its_chain_and_its_address(
    name: str, chain: list[Link], address: str | None
) -> None:
    (error,) = errors(name)

    assert links(error) == chain
    assert error.get("address") == address
    assert error["by"] == ("node" if name.startswith("node") else "python")


def test_every_recording_is_expected_somewhere() -> None:
    here = Path(__file__).read_text()

    assert [each.stem for each in RECORDED.glob("*.txt") if f'"{each.stem}"' not in here] == []


def test_members_of_a_group_follow_it_with_their_notes() -> None:
    (error,) = errors("python-group-with-notes")

    assert [link["type"] for link in error["error"]] == [
        "RuntimeError", "ExceptionGroup", "ConnectionRefusedError", "ConnectionRefusedError",
    ]  # fmt: skip
    assert [link["message"].splitlines() for link in error["error"]] == [
        ["cannot start", "at all"],
        ["unhandled errors in a TaskGroup (2 sub-exceptions)"],
        ["[Errno 111] Connect call failed ('127.0.0.1', 1)", "while dialling 1", "of this machine"],
        ["[Errno 111] Connect call failed ('127.0.0.1', 2)", "while dialling 2", "of this machine"],
    ]


def test_a_traceback_is_read_whether_each_line_has_a_loggers_prefix_or_only_the_line_above() -> (
    None
):
    found = errors("python-logged-each-line")

    assert [links(error) for error in found] == [
        [("Lost", None, None), ("FileNotFoundError", 2, None)]
    ] * 2
    assert [error["error"][0]["message"] for error in found] == ["first line", "first line"]


UVICORN, GUNICORN = "uvicorn", "gunicorn"
BOOTED = [(GUNICORN, "started"), (GUNICORN, "listening"), (GUNICORN, "worker_started")]
NOT_BOOTED = [(GUNICORN, "worker_failed"), (GUNICORN, "shutdown"), (GUNICORN, "worker_failed")]


@pytest.mark.parametrize(
    ("name", "life"),
    [
        ("uvicorn-started-and-stopped",
         [(UVICORN, "started"), (UVICORN, "startup_complete"), (UVICORN, "listening"),
          (UVICORN, "shutdown")]),
        ("uvicorn-startup-failed", [(UVICORN, "started"), (UVICORN, "startup_failed")]),
        ("uvicorn-no-app", [(UVICORN, "startup_failed")]),
        ("gunicorn-started-and-stopped",
         [*BOOTED, (GUNICORN, "shutdown"), (GUNICORN, "shutdown")]),
        ("gunicorn-worker-failed", [*BOOTED, *NOT_BOOTED]),
        ("gunicorn-uvicorn-worker-failed",
         [*BOOTED, (UVICORN, "started"), (UVICORN, "startup_failed"), *NOT_BOOTED]),
    ],
)  # fmt: skip
def test_a_web_servers_life_is_read_from_its_lines(name: str, life: list[tuple[str, str]]) -> None:
    assert says(name) == life


def test_a_worker_that_hangs_is_named() -> None:
    assert says("gunicorn-worker-timeout").count((GUNICORN, "worker_timeout")) == 1


def test_workers_that_fail_are_all_read() -> None:
    found = says("uvicorn-workers-failed")

    assert found.count((UVICORN, "startup_failed")) == 2
    assert found[-1] == (UVICORN, "worker_failed")
    assert [links(e) for e in errors("uvicorn-workers-failed")] == [
        [("ConnectionRefusedError", REFUSED, None)]
    ] * 2

"""Lines of all formats at once: what is read out of them, and what is not."""

from __future__ import annotations

import json
import time
from typing import Any

import asyncpg.exceptions as asyncpg_errors
import psycopg.errors as psycopg_errors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.logs import LogEvent, LogReader
from crashloop.logs.sqlstates import SQLSTATES

MAX_LINE_CHARS = 60 * 1024

TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "ValueError: x"]
NODE = ["Error: connect ECONNREFUSED 127.0.0.1:5432", "    at x (node:net:1:1) {",
        "  errno: -111,", "  code: 'ECONNREFUSED',", "  [cause]: Error: y", "      at z (a.js:1:1)",
        "  [errors]: [", "    Error: e", "        at z (a.js:1:1) {", "      port: 1", "    }",
        "  ]", "}"]  # fmt: skip


def read(lines: list[str]) -> list[LogEvent]:
    reader = LogReader()
    found = [event for number, line in enumerate(lines, 1) for event in reader.feed(line, number)]
    return [*found, *reader.end()]


def data(lines: list[str]) -> list[dict[str, Any]]:
    return [dict(event.data) for event in read(lines)]


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
@pytest.mark.parametrize(
    "prefix",
    [
        "{level}:     ", "\x1b[32m{level}\x1b[0m:     ", "",
        "[2026-11-27 22:24:13 +0000] [12] [{level}] ",
        "2026-11-27 22:24:13,001 - uvicorn.error - {level} - ",
        "2026-11-27T22:24:13Z {level} | ",
    ],
)  # fmt: skip
def test_a_servers_line_is_known_after_what_a_logger_writes(prefix: str, level: str) -> None:
    (found,) = data([prefix.format(level=level) + "Application startup failed. Exiting."])

    assert found == {
        "server": "uvicorn",
        "says": "startup_failed",
        "text": "Application startup failed. Exiting.",
    }


@pytest.mark.parametrize(
    "line",
    [
        "INFO:     my service says: Shutting down",
        "INFO:     Shutting down the cache",
        "INFO:     Application startup failed. Exiting. Or not.",
        "not yet Uvicorn running on http://127.0.0.1:1",
        "Started server process [x]",
        "WORKER TIMEOUT",
        "[INFO] Worker (pid:7) was sent SIGTERM!",
    ],
)
def test_a_line_that_mentions_a_servers_words_is_not_the_servers(line: str) -> None:
    assert data([line]) == []


@pytest.mark.parametrize(
    ("line", "errno", "address"),
    [
        ('db: connection to server at "10.0.0.1", port 5432 failed: Connection refused', 111,
         "tcp:10.0.0.1:5432"),
        ('connection to server on socket "/s/.s.PGSQL.5432" failed: No such file or directory', 2,
         "unix:/s/.s.PGSQL.5432"),
        ("ERROR retrying: [Errno 111] Connect call failed ('::1', 5432, 0, 0)", 111,
         "tcp:[::1]:5432"),
        ("ERROR retrying: [Errno 111] Connect call failed /s/.s.PGSQL.5432", 111,
         "unix:/s/.s.PGSQL.5432"),
        ("cache: Error 111 connecting to localhost:6379. Connection refused.", 111,
         "tcp:localhost:6379"),
        ("cannot start: connect ECONNREFUSED 127.0.0.1:5432", 111, "tcp:127.0.0.1:5432"),
    ],
)  # fmt: skip
def test_an_ordinary_line_has_the_errno_and_address_in_a_drivers_own_words(
    line: str, errno: int, address: str
) -> None:
    (found,) = data([line, "next"])

    assert found["by"] == "driver"
    assert found["address"] == address
    assert found["error"] == [
        {"type": None, "sqlstate": None, "errno": errno, "message": line},
    ]


@pytest.mark.parametrize(
    "line",
    [
        "the connection was refused", "Connection refused", "errno 111", "[Errno 111] once upon a",
        "please connect ETHERNET cable:80", "Error 5 in line 3. ",
        "sorry, too many clients already",
        'connection to server at "a b", port 5432 failed: x', "connect ECONNREFUSEDX 127.0.0.1:1",
        "ECONNREFUSED", "FATAL: 53300",
    ],
)  # fmt: skip
def test_other_words_about_an_error_are_nothing(line: str) -> None:
    assert data([line]) == []


def test_the_line_above_a_traceback_that_says_the_same_is_no_error_of_its_own() -> None:
    heading = "ERROR failed: [Errno 111] Connect call failed ('127.0.0.1', 1)"
    refused = [*TRACEBACK[:2], "ConnectionRefusedError: [Errno 111] Connection refused"]

    assert [found["by"] for found in data([heading, *refused])] == ["python"]
    assert [found["by"] for found in data([heading, *TRACEBACK])] == ["driver", "python"]
    assert [found["by"] for found in data(NODE)] == ["node"]
    assert [found["by"] for found in data([heading, "other", *TRACEBACK])] == ["driver", "python"]


def test_a_nodes_error_is_read_with_its_cause_and_members() -> None:
    (found,) = data(NODE)

    assert [link["message"] for link in found["error"]] == [
        "connect ECONNREFUSED 127.0.0.1:5432", "y", "e",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        ["hello", "    at x (a.js:1:1)"],
        ["java.lang.Exception: x", "\tat com.example.Main.main(Main.java:12)"],
        ["Error: x", "at home (node:net:1:1)"],
        ["TypeError: x is not a function"],
        ["INFO: nothing", "    at 12:30"],
    ],
)
def test_a_line_that_looks_a_little_like_nodes_is_nothing(lines: list[str]) -> None:
    assert data([*lines, "done"]) == []


@pytest.mark.parametrize("lines", [TRACEBACK, NODE])
def test_an_error_may_be_a_string_in_a_json_line(lines: list[str]) -> None:
    line = json.dumps({"level": "error", "message": "x", "err": {"stack": "\n".join(lines)}})

    (found,) = read([line])
    assert found.data["error"][0]["type"] == ("ValueError" if lines is TRACEBACK else "Error")
    assert not found.is_structured


def test_a_servers_line_may_be_a_string_in_a_json_line() -> None:
    (found,) = data([json.dumps({"message": "Application startup complete.", "level": "info"})])

    assert found["says"] == "startup_complete"


def test_a_structured_line_is_its_own_event_and_nothing_else() -> None:
    entry = {"event": "phase.failed", "mono_ns": 7, "stack_trace": "\n".join(TRACEBACK)}

    (found,) = read([json.dumps(entry)])

    assert (found.kind, found.at_ns, found.is_structured) == ("phase.failed", 7, True)


@pytest.mark.parametrize("kind", ["log.error", "log.server", "process.exited", "x"])
def test_a_line_cannot_claim_to_be_what_was_read_out_of_lines(kind: str) -> None:
    assert data([json.dumps({"event": kind, "mono_ns": 7, "error": [], "says": "started"})]) == []


def test_an_error_has_the_instant_of_its_first_line() -> None:
    (found,) = read(["one", "two", *TRACEBACK, "INFO: done"])

    assert found.at_ns == 3


def test_an_error_is_read_once_no_line_has_come_for_a_while() -> None:
    reader = LogReader()
    assert [event for line in TRACEBACK for event in reader.feed(line, 1)] == []

    assert [event.kind for event in reader.quiet()] == ["log.error"]
    assert reader.end() == []


def test_a_traceback_that_is_still_being_printed_is_not_ended_by_a_pause() -> None:
    reader = LogReader()
    for line in TRACEBACK[:2]:
        reader.feed(line, 1)
    assert reader.quiet() == []
    reader.feed(TRACEBACK[2], 1)

    assert [event.kind for event in reader.end()] == ["log.error"]


def test_the_events_of_one_life_are_bounded() -> None:
    assert len(read([*TRACEBACK, "INFO:     Shutting down"] * 1000)) == 400


def test_a_drivers_class_has_the_sqlstate_that_the_driver_gives_it() -> None:
    own = {name: code for name, code in SQLSTATES.items() if not name.startswith("psycopg2.")}

    for name, code in own.items():
        module, _, word = name.rpartition(".")
        source = asyncpg_errors if module.startswith("asyncpg") else psycopg_errors
        assert getattr(source, word).sqlstate == code, name


def test_every_class_of_asyncpg_for_an_unhealthy_server_is_known() -> None:
    classes = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
    named = [
        (f"asyncpg.exceptions.{name}", getattr(kind, "sqlstate", None))
        for name, kind in vars(asyncpg_errors).items()
        if isinstance(kind, type) and (getattr(kind, "sqlstate", None) or "")[:2] in classes
        and name in asyncpg_errors.__all__
    ]  # fmt: skip

    assert [each for each in named if SQLSTATES.get(each[0]) != each[1]] == []


PIECES = st.sampled_from(
    [*TRACEBACK, *NODE, "", " ", "    ", "  | ", "  +-+---------------- 1 ----------------",
     "    +---------------- 2 ----------------", "    +------------------------------------",
     "  + Exception Group Traceback (most recent call last):", '  |   File "a.py", line 1, in b',
     "  | ExceptionGroup: x (2 sub-exceptions)", "    | Traceback (most recent call last):",
     '    |   File "a.py", line 1, in b', "    | OSError: [Errno 99999] x", "}", "]", "  ],",
     "[Error: x] {",
     "The above exception was the direct cause of the following exception:",
     "During handling of the above exception, another exception occurred:",
     "INFO:     Shutting down", "[2026-11-27 22:24:13 +0000] [1] [INFO] Booting worker with pid: 1",
     "[Errno 111] Connect call failed ('127.0.0.1', 99999)", "connect ECONNREFUSED ::1:1",
     'connection to server at "x", port 0 failed: Connection refused', '{"a": "b"}', "{", "[1]",
     "  port: ٣,", "  errno: -99999999999999999999,", "  severity: 'FATAL',", "  code: '53300',",
     "Error 1 connecting to x:٣. y"]
)  # fmt: skip
PREFIXES = st.sampled_from(["", "", "", "ERROR:    ", "web-1 | ", "{", "\x1b[31m"])
LINES = st.builds("".join, st.tuples(PREFIXES, PIECES | st.text(max_size=20), st.text(max_size=3)))


@given(st.lists(PIECES | LINES, max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reader_and_what_it_makes_is_whole(lines: list[str]) -> None:
    reader = LogReader()
    found = []
    for number, line in enumerate(lines):
        found += reader.feed(line, number)
        found += reader.quiet() if number % 7 == 0 else []
    found += reader.end()

    json.dumps([dict(event.data) for event in found])
    for event in found:
        assert event.kind in {"log.error", "log.server"}
        if event.kind == "log.error":
            assert 1 <= len(event.data["error"]) <= 10
            assert event.data.get("address", "tcp:").startswith(("tcp:", "unix:/"))
            assert all(len(link["message"]) <= 1000 for link in event.data["error"])


HOSTILE = [
    " ", "a", "a.", "(", "[", "at ", "Error: ", "  | ", "'", "[Errno 1] ", "Connect call failed (",
    "Error 1 connecting to x", 'connection to server at "', "[INFO] ", "1 ", "A" * 99 + " ", "+-",
    "connect E", "\x1b[", "\u0660", '{"a":', "[[", " (", ": ", "<", "Uvicorn running on ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_line_costs_no_more_than_its_beginning(piece: str) -> None:
    line = (piece * (MAX_LINE_CHARS // len(piece) + 1))[:MAX_LINE_CHARS]
    stack = [*TRACEBACK[:2], line, line, TRACEBACK[2], line, NODE[0], line, *NODE[:2], line]

    began_s = time.process_time()
    for _ in range(5):
        read([line, "    at x" + line, line + ":1:1", *stack, line + TRACEBACK[0]])

    assert time.process_time() - began_s < 1.0

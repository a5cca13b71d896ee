"""Errors in Postgres' log: found by SQLSTATE, whatever the app's own text says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.engines.postgres_log import (
    MAX_NAME_CHARS,
    MOST_ERRORS,
    ErrorLog,
    LoggedError,
    logged_error,
    unknown_role,
)
from crashloop.engines.postgres_settings import postgres_settings
from crashloop.engines.session_log import SessionLog
from crashloop.errors import UsageError

AT = "2026-11-27 19:33:56.251 UTC [32665] 2026-11-27 19:33:56 UTC 6925f1c4.7f99"
CLIENT = "127.0.0.1(55450)"
NO_SLOT = f"{AT} 53300 {CLIENT} app FATAL:  remaining connection slots are reserved"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            NO_SLOT,
            LoggedError(
                sqlstate="53300",
                severity="FATAL",
                pid=32665,
                role="app",
                client="127.0.0.1:55450",
            ),
        ),
        (
            f"{AT} 08P01 {CLIENT} [unknown] FATAL:  invalid length of startup packet",
            LoggedError(sqlstate="08P01", severity="FATAL", pid=32665, client="127.0.0.1:55450"),
        ),
        (
            f"{AT} 57P01 FATAL:  terminating background worker",
            LoggedError(sqlstate="57P01", severity="FATAL", pid=32665),
        ),
        (
            f"{AT} 28P01 ::1(55450) a b@c FATAL:  password authentication failed",
            LoggedError(
                sqlstate="28P01", severity="FATAL", pid=32665, role="a b@c", client="::1:55450"
            ),
        ),
    ],
)
def test_an_error_names_who_got_it(line: str, error: LoggedError) -> None:
    assert logged_error(line) == error


@pytest.mark.parametrize(
    "line",
    [
        f"{AT} 00000 {CLIENT} app LOG:  FATAL:  53300",
        f"{AT} 53300 {CLIENT} app STATEMENT:  select 'FATAL:  '",
        f"{AT} 57P03 {CLIENT} app DETAIL:  Hot standby mode is disabled.",
        f"{AT} 57P03 [local] postgres FATAL:  the database system is starting up",
        f"\t{NO_SLOT}",
        f"select '{NO_SLOT}'",
        "",
    ],
)
def test_what_is_no_error_of_an_app_is_none(line: str) -> None:
    assert logged_error(line) is None


def test_a_role_named_like_a_severity_hides_no_error() -> None:
    error = logged_error(f"{AT} 53300 {CLIENT} LOG: FATAL:  too many clients")
    assert error is not None
    assert (error.sqlstate, error.role) == ("53300", "LOG:")


def test_no_name_of_a_role_is_long_enough_for_a_line_of_its_own() -> None:
    shortest = "2026-11-27 19:33:56.251 UTC [1] 2026-11-27 19:33:56 UTC 6925f1.1 53300"
    assert logged_error(f"{shortest} FATAL:  no slot") is not None
    assert logged_error(f"{shortest[1:]} FATAL:  no slot") is None
    assert len(shortest) > MAX_NAME_CHARS


@settings(max_examples=40)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_the_app_breaks_the_reader(name: str, text: str) -> None:
    logged_error(text)
    error = logged_error(f"{AT} 42601 {CLIENT} {name} ERROR:  {text}")
    if error is not None:
        assert (error.pid, error.client) == (32665, "127.0.0.1:55450")
        assert len(error.role or "") <= 63


NO_ROLE = f'{AT} 28P01 {CLIENT} app DETAIL:  Role "app" does not exist.'


def test_the_log_says_that_a_role_does_not_exist() -> None:
    found = unknown_role(NO_ROLE)
    assert found is not None
    assert (found.sqlstate, found.role, found.client) == ("28P01", "app", "127.0.0.1:55450")


@pytest.mark.parametrize(
    "line",
    [
        NO_ROLE.replace("DETAIL", "LOG"),
        NO_ROLE.replace("28P01", "42704"),
        NO_ROLE.replace(CLIENT, "[local]"),
        NO_ROLE.replace('Role "app" does not exist.', 'Connection matched file "pg_hba.conf"'),
        NO_ROLE.replace("does not exist.", "has an expired password."),
        f"\t{NO_ROLE}",
        "",
    ],
)
def test_another_line_says_nothing_of_a_missing_role(line: str) -> None:
    assert unknown_role(line) is None


def test_a_run_has_at_most_a_thousand_errors_and_says_that_more_were_cut() -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    log = ErrorLog(lambda *event: events.append(event))
    for _ in range(MOST_ERRORS + 5):
        log.line(NO_SLOT)
        log.line("no error")
    assert [kind for kind, _ in events].count("database.error") == MOST_ERRORS == 1000
    assert events[-1] == ("database.errors_cut", {"after": MOST_ERRORS})
    assert len(events) == MOST_ERRORS + 1


def test_a_scenario_sets_what_an_outage_is_about() -> None:
    assert postgres_settings(
        {"max_connections": 12.0, "jit": False, "statement_timeout": "30s", "work_mem": 4096}
    ) == {"max_connections": "12", "jit": "off", "statement_timeout": "30s", "work_mem": "4096"}


@pytest.mark.parametrize(
    "name", ["listen_addresses", "port", "data_directory", "archive_command", "MAX_CONNECTIONS"]
)
def test_a_setting_that_is_unknown_or_unsafe_is_refused_with_the_possible_ones(name: str) -> None:
    with pytest.raises(UsageError, match=f"cannot set {name} of Postgres") as refusal:
        postgres_settings({"max_connections": 12, name: "x"})
    assert "max_connections" in refusal.value.hint


def of_session(pid: int, says: str, *, client: str = CLIENT, role: str = "app") -> str:
    at = AT.replace("[32665]", f"[{pid}]")
    return f"{at} 00000 {client} {role} LOG:  {says}"


def peak(*lines: str) -> int:
    found: list[dict[str, Any]] = []
    log = SessionLog(lambda _kind, data: found.append(data), role="app")
    for line in lines:
        log.line(line)
    log.report()
    (event,) = found
    return int(event["count"])


BEGUN = "connection authorized: user=app database=app"
ENDED = "disconnection: session time: 0:00:00.010 user=app database=app host=127.0.0.1 port=5"


def test_the_most_sessions_at_once_are_counted_from_the_servers_own_lines() -> None:
    assert peak(
        of_session(1, "connection received: host=127.0.0.1 port=55450"),
        of_session(1, BEGUN),
        of_session(2, BEGUN),
        of_session(1, ENDED),
        of_session(3, BEGUN),
        of_session(4, BEGUN),
        *(of_session(pid, ENDED) for pid in (2, 3, 4)),
        of_session(5, BEGUN),
        of_session(5, ENDED),
    ) == 3  # fmt: skip
    assert peak() == 0


def test_the_harness_and_refused_connections_are_no_sessions() -> None:
    refused = of_session(1, "remaining connection slots are reserved").replace("LOG", "FATAL")
    assert peak(
        of_session(7, BEGUN, client="[local]"),
        of_session(8, BEGUN, role="postgres"),
        of_session(1, BEGUN),
        refused,
        of_session(2, BEGUN),
        of_session(3, f"statement: select '{BEGUN}'"),
        f"a line of something else, {BEGUN}",
        *(of_session(pid, ENDED) for pid in (2, 3, 7, 8)),
    ) == 1  # fmt: skip

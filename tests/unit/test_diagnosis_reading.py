from __future__ import annotations

from made_cases import case_of

from crashloop.logs.event import ERROR

SUPERVISED = """
    2026-01-05 08:00:02,118 INFO spawned: 'gunicorn' with pid 9
    [2026-01-05 08:00:02 +0000] [9] [INFO] Starting gunicorn 23.0.0
    [2026-01-05 08:00:02 +0000] [9] [INFO] Booting worker with pid: 14
    INFO:     Started server process [14]
    2026-01-05 08:00:04,871 INFO exited: gunicorn (exit status 3; not expected)
    2026-01-05 08:00:05,874 INFO spawned: 'gunicorn' with pid 17
"""


def test_what_a_supervisor_and_a_master_start_is_one_life() -> None:
    first, second = case_of(SUPERVISED).lives
    assert [event.kind for event in first.events][-1] == "process.exited"
    assert [event.kind for event in second.events] == ["process.started"]


def test_lines_of_one_file_keep_their_order_within_a_second() -> None:
    case = case_of(SUPERVISED)
    assert [each.line for event in case.trace.events for each in case.lines(event)] == [
        *range(1, 7)
    ]


def test_a_server_s_words_in_a_client_s_error_are_no_line_of_the_server() -> None:
    words = 'FATAL:  password authentication failed for user "shop"'
    log = f"psycopg.OperationalError: connection to server at 10.0.0.5 failed: {words}"
    (event,) = case_of(log).trace.events
    assert event.kind == ERROR

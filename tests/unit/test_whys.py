from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from made_cases import case_of, diagnosis_of

from crashloop.diagnosis.why import MAX_WHYS
from crashloop.diagnosis.whys import whys
from crashloop.report.diagnosis import whys_of

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
LOOP = """
    db-1   | 2026-01-05 08:00:00.668 UTC [1] LOG:  database system is ready to accept connections
    shop-1  | INFO:     Started server process [1]
    shop-1  | INFO:     Waiting for application startup.
    shop-1  | alembic.util.exc.CommandError: Can't locate revision identified by 'a1'
    shop-1  | ERROR:    Application startup failed. Exiting.
    shop-1 exited with code 3 (restarting)
    shop-1  | INFO:     Started server process [1]
    shop-1  | alembic.util.exc.CommandError: Can't locate revision identified by 'a1'
    shop-1  | ERROR:    Application startup failed. Exiting.
    shop-1 exited with code 3 (restarting)
"""
REFUSED_ROLE = """
    db  | NOTICE:  identifier "shop # Change this, too" will be truncated to "shop # Change this"
    db  | 2026-01-05 08:00:01.204 UTC [1] LOG:  database system is ready to accept connections
    db  | 2026-01-05 08:00:02.478 UTC [74] FATAL:  password authentication failed for user "shop"
    db  | 2026-01-05 08:00:02.478 UTC [74] DETAIL:  Role "shop" does not exist.
    shop  | INFO:     Started server process [1]
    shop  | psycopg.OperationalError: failed: FATAL:  password authentication failed for user "shop"
    shop  | ERROR:    Application startup failed. Exiting.
    shop exited with code 3
"""
KILLED = """
    shop-1  | {"event": "phase.started", "mono_ns": 1, "phase": "init"}
    shop-1  | {"event": "phase.completed", "mono_ns": 2, "phase": "init"}
    shop-1  | {"event": "phase.started", "mono_ns": 3, "phase": "database"}
    shop-1 exited with code 137
"""

OUT_OF_MEMORY = """
    $ kubectl -n shop logs shop-66f7d8c9b5-4tqkm --previous --timestamps
    2026-01-05T08:00:02.481Z INFO:     Started server process [1]
    2026-01-05T08:00:04.930Z loading the model
    $ kubectl -n shop describe pod shop-66f7d8c9b5-4tqkm
    Containers:
      web:
        Last State:     Terminated
          Reason:       OOMKilled
          Exit Code:    137
          Started:      Mon, 05 Jan 2026 08:00:01 +0000
          Finished:     Mon, 05 Jan 2026 08:00:09 +0000
        Restart Count:  7
        Limits:
          memory:  512Mi
"""
KILLED_FOR_A_PROBE = """
    $ kubectl -n shop describe pod shop-66f7d8c9b5-4tqkm
    Containers:
      web:
        Last State:     Terminated
          Reason:       Error
          Exit Code:    137
        Restart Count:  3
    Events:
      Type     Reason     Age              From     Message
      ----     ------     ----              ----     -------
      Warning  Unhealthy  5s (x9 over 4m)  kubelet  Liveness probe failed: dial tcp 10.2.7.3:80: EOF
      Normal   Killing    5s (x3 over 4m)  kubelet  Container web failed liveness probe
"""


def test_each_step_answers_why_of_the_one_before_with_its_lines() -> None:
    steps = whys_of(diagnosis_of(LOOP)).steps
    assert [(why.says, [each.line for each in why.lines]) for why in steps] == [
        ("shop-1 was started twice and never became ready.", [2, 7]),
        ("Each time its process ended with exit code 3.", [6, 10]),
        ("Each time uvicorn gave up and said: Application startup failed. Exiting.", [5, 9]),
        ("Each time it met CommandError: Can't locate revision identified by 'a1'", [4, 8]),
    ]


def test_a_chain_goes_on_to_what_the_server_said_and_to_what_decided_the_cause() -> None:
    server, sign = whys_of(diagnosis_of(REFUSED_ROLE)).steps[-2:]
    assert server.says.startswith("The database itself said: password authentication failed")
    assert server.says.endswith('(Role "shop" does not exist.)')
    assert [each.line for each in server.lines] == [3, 4]
    assert sign.says == "The log shows that a name was created with a comment in it."
    assert [each.line for each in sign.lines] == [1]


def test_a_server_that_said_something_else_is_no_step() -> None:
    other = REFUSED_ROLE.replace(
        'FATAL:  password authentication failed for user "shop"\n    db', "ERROR:  deadlock\n    db"
    )
    says = [why.says for why in whys(case_of(other), None).steps]
    assert not [each for each in says if "database itself" in each]


def test_a_life_that_was_killed_shows_the_phase_that_it_was_in() -> None:
    found = whys(case_of(KILLED), None)
    assert [why.says for why in found.steps][1:] == [
        "Its process ended with SIGKILL (exit code 137).",
        "By then, phase database had begun and not ended.",
    ]


def test_a_kill_for_memory_shows_the_limit_and_what_was_said_last() -> None:
    steps = whys(case_of(OUT_OF_MEMORY), None).steps
    end = "SIGKILL (exit code 137), reason OOMKilled, 8 s after its start"
    assert [(why.says, [each.line for each in why.lines]) for why in steps] == [
        ("web was restarted 7 times and never became ready.", [12]),
        (f"Its process ended with {end}.", [8]),
        ("It had more memory than its limit of 512Mi allows.", [14, 8]),
        ("The last that it had said before was: loading the model", [3]),
    ]


def test_a_kill_for_a_probe_shows_how_the_probe_failed() -> None:
    says = [why.says for why in whys(case_of(KILLED_FOR_A_PROBE), None).steps]
    assert says[2:] == [
        "The platform killed it for its liveness probe.",
        "The liveness probe failed 9 times on port 80: dial tcp 10.2.7.3:80: EOF",
    ]


@pytest.mark.parametrize(
    ("log", "needs"),
    [
        ("hello\nworld", "the app's log from its start"),
        ("shop-1  | INFO:     Started server process [1]\nshop-1 exited with code 137", "signal"),
        ("shop-1  | INFO:     Started server process [1]\nshop-1 exited with code 3", "wrote"),
        ("ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.5', 5432)", "10.0.0.5"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "resolver"),
    ],
)
def test_the_end_says_what_the_next_answer_needs(log: str, needs: str) -> None:
    assert needs in whys(case_of(log), None).ends


def test_every_step_rests_on_lines_and_none_is_later_than_what_it_explains() -> None:
    lines = LOOP.strip("\n").split("\n")
    for seed in range(20):
        random.Random(seed).shuffle(lines)  # noqa: S311  no secret
        steps = whys_of(diagnosis_of("\n".join(lines))).steps
        assert all(why.lines for why in steps)
        lasts = [{e.attempt: e.seq for e in why.events} for why in steps[1:]]
        for effect, cause in pairwise(lasts):
            shared = effect.keys() & cause.keys() - {None}
            assert all(cause[attempt] < effect[attempt] for attempt in shared)


def test_a_life_that_was_started_again_before_it_was_ready_shows_how_far_it_came() -> None:
    log = """
        INFO:     Started server process [1]
        {"event": "phase.started", "mono_ns": 3, "phase": "database"}
        INFO:     Started server process [1]
    """
    says = [why.says for why in whys(case_of(log), None).steps]
    assert says == [
        "The app was started again once before it was ready.",
        "By then, phase database had begun and not ended.",
    ]


def test_what_a_server_says_after_its_client_gave_up_is_no_step() -> None:
    log = """
        db-1  | 2026-01-05 08:00:01.204 UTC [7] ERROR:  canceling statement due to user request
        shop-1  | INFO:     Started server process [1]
        shop-1  | asyncpg.QueryCanceledError: canceling statement due to user request
        shop-1  | ERROR:    Application startup failed. Exiting.
    """
    says = [why.says for why in whys(case_of(log), None).steps]
    assert says[-1] == "It met QueryCanceledError: canceling statement due to user request"


def test_a_secret_in_an_error_is_masked_in_its_step() -> None:
    log = "ValueError: bad URL 'postgresql://shop:made-up%2Fsecret@db:5432/shop'"
    (_, why) = whys(case_of(log), None).steps
    assert "bad URL" in why.says
    assert "made-up" not in why.says


@pytest.mark.slow
def test_each_step_of_every_recorded_log_is_one_sentence_with_its_lines() -> None:
    files = sorted(LOGS.rglob("*.log")) + sorted(LOGS.rglob("*.txt")) + sorted(LOGS.rglob("*.json"))
    assert len(files) > 50
    for file in files:
        found = whys_of(diagnosis_of(file.read_text()))
        assert len(found.steps) <= MAX_WHYS, file
        assert all(why.lines and "\n" not in why.says for why in found.steps), file
        assert found.ends, file

"""A run of the user's own app: its control life, its lives without phases, its journey's tries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from report_runs import FIRST, HOLD, OwnTold, Told, own_app
from report_texts import happened, timeline_text

from crashloop.model import CONTROL, Fate, Flag, Judgement, Life, Outcome, Verdict
from crashloop.report.data import run_document
from crashloop.report.events import history_of
from crashloop.report.lines import plain
from crashloop.report.live import MAX_ATTEMPTS_KEPT, MAX_EVENTS_OF_A_KIND, Feed
from crashloop.report.progress import Progress
from crashloop.report.status import status
from crashloop.report.summary import summary

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

JUDGEMENT = Judgement(verdict=Verdict.INCONCLUSIVE, reason="it has no control", findings=())
RECOVERED = Fate(
    outcome=Outcome.RECOVERED,
    why="it died",
    deaths=2,
    exit_codes=(3, 3),
    flags={Flag.DATA_LOST: "order 7 is gone"},
    advice="retry inside the process",
)
NEVER = Fate(outcome=Outcome.NEVER_STARTED, why="without a fault, the app died", flags={})
TRACEBACK = ("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'x'")


def page(trace: Trace, fate: Fate | None, *, width: int = 100) -> str:
    """The summary of a run, as a terminal shows it."""
    return plain(summary(history_of(trace), JUDGEMENT, fate=fate, width=width))


def never_started(what: str = "died", **data: object) -> Trace:
    return OwnTold().control_failed(what, "the app died before it was ready", *TRACEBACK, **data)


def lines_of_progress(trace: Trace) -> list[str]:
    progress = Progress(scale=20.0)
    said = [progress.line(event) for event in trace.events]
    return [line.split("  ")[-1] for line in said if line is not None]


# The control life


def test_the_control_life_is_one_line_above_the_timeline() -> None:
    first = " ".join(timeline_text(own_app()).split("incident s")[0].split())
    assert first == (
        "control ✓ setup took 2.1 s here, ready after 1.3 s here, 2 of 2 steps before the fault "
        "passed, journey passed"
    )


def test_in_real_time_nothing_is_said_to_be_here() -> None:
    run = OwnTold(scale=1.0).ready().control(before=0)
    assert timeline_text(run.end(1)).splitlines()[0].split("✓ ")[1] == (
        "setup took 2.1 s, ready after 1.3 s, journey passed"
    )


def test_an_app_that_does_not_start_shows_its_own_last_lines_before_all_else() -> None:
    text = page(never_started(exit_code=1), NEVER)
    order = ("NEVER_STARTED", "Last lines of the control life  (control.log)", *TRACEBACK,
             "INCONCLUSIVE", "What happened")  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "In the control life, the app died before it was ready." in text
    assert timeline_text(never_started(exit_code=1)).endswith(
        "✗ the app died without a fault (exit 1)"
    )


def test_the_lines_of_a_failed_setup_are_its_own() -> None:
    text = page(never_started("setup", exit_code=2), NEVER)
    assert "Last lines of the setup command\n" in text
    assert "control.log" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("trace", [own_app(), never_started(exit_code=1)], ids=["back", "never"])
def test_no_line_of_the_page_is_wider_than_the_terminal(width: int, trace: Trace) -> None:
    for fate in (RECOVERED, NEVER):
        lines = f"{timeline_text(trace, width)}\n{page(trace, fate, width=width)}".split("\n")
        assert max(map(len, lines)) <= width


# Lives, tries, outcome


def test_a_life_without_phases_is_told_by_its_connections_and_its_log() -> None:
    assert (
        "Attempts 1 and 2: 1 connection to Postgres was held for 20.0 s, until the app gave up; "
        "its log says startup failed (uvicorn); the app logged TimeoutError at 127.0.0.1:5432; "
        "the process died with exit 3 each time, and the platform"
    ) in happened(own_app())
    drawn = timeline_text(own_app())
    assert "┄▓▓▓" in drawn
    assert "▓ waits on a held connection" in drawn


def test_several_held_connections_are_tries_of_the_app() -> None:
    run = OwnTold().ready().control()
    run.waited(FIRST, 0, for_s=10, links=5)
    assert "5 connections to Postgres were held for 2.0 s, until the app gave up" in happened(
        run.end(20)
    )


def test_connections_that_nobody_held_are_counted_where_the_life_died() -> None:
    run = OwnTold().ready().control()
    for attempt in (1, 2):
        life = Life(1, attempt)
        run.start(life, attempt * 10)
        for link in range(attempt):
            run.add(
                attempt * 10 + 1, "proxy", "link.opened", life=life, target="postgres", link=link
            )
        run.exit(life, attempt * 10 + 2, code=1)
    assert "Attempts 1 and 2: it opened 1 to 2 connections to Postgres; the process died" in (
        happened(run.end(40))
    )


def test_an_app_that_logs_our_lines_is_told_by_its_phases_as_before() -> None:
    run = Told().ready()
    run.start(FIRST, 0)
    run.exit(FIRST, 5)
    assert "Attempt 1: no start-up phase began; the process died with exit 3" in happened(
        run.end(9)
    )


def test_tries_of_the_journey_are_counted_under_the_fault_and_timed_after_the_heal() -> None:
    text = happened(own_app())
    assert (
        "Under the fault, 0 of 3 tries of the journey passed (step 1: connection refused)." in text
    )
    assert "The journey first passed 8 s (0.4 s here) after the heal." in text
    rows = [row.split() for row in timeline_text(own_app()).split("\n")]
    assert ["journey", "▽", "▽", "▽", "✓"] in rows


def test_a_try_that_began_under_the_fault_and_passed_after_the_heal_is_not_one_under_it() -> None:
    run = OwnTold().ready().control().fault("down", "hold", "postgres", HOLD, to_s=10)
    run.served(FIRST, -20, until_s=40)
    for at_s, why in ((5, ""), (11, "")):
        run.add(
            at_s, "harness", "journey.tried", life=FIRST, number=1, passed=True, step=None,
            why=why, took_s=2 / run.scale,
        )  # fmt: skip
    assert "Under the fault, 1 of 1 tries of the journey passed." in happened(run.end(30))


def test_a_journey_that_never_passed_again_says_why() -> None:
    run = OwnTold().ready().control().fault("down", "hold", "postgres", HOLD, to_s=10)
    run.served(FIRST, 11, until_s=40)
    run.tried(30, 9, why="status 500")
    assert "No try of the journey passed after the heal (step 1: status 500)." in happened(
        run.end(40)
    )


def test_the_outcome_stands_before_the_verdict_with_the_last_lines_of_the_app() -> None:
    text = page(own_app(), RECOVERED)
    not_asked = "not asked: all_phases_done (it logs no phases)"
    order = ("RECOVERED", "2 deaths: exit 3, twice", "data_lost: order 7 is gone",
             "what helps: retry inside the process", not_asked, "Last lines of attempt 2",
             "TimeoutError: too slow", "INCONCLUSIVE")  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


@pytest.mark.parametrize(("role", "shown"), [("control", False), ("remedy", True)])
def test_a_run_without_a_fault_has_no_outcome_to_show(role: str, shown: bool) -> None:
    run = OwnTold().ready().control()
    run.header["scenario"]["role"] = role
    assert ("SURVIVED" in page(run.end(9), Fate(outcome=Outcome.SURVIVED, why="", flags={}))) is (
        shown
    )


def test_the_document_of_an_own_run_has_its_outcome_its_control_and_its_tries() -> None:
    document = json.loads(
        json.dumps(run_document(own_app(), JUDGEMENT, artifacts="kept", trace_path="kept/t"))
    )
    assert document["trace"] == "kept/t"
    assert document["applies"] is True
    assert document["not_asked"] == {"all_phases_done": "it logs no phases"}
    assert document["control"]["ready_after_s"] == 1.3
    assert [one["passed"] for one in document["tries"]] == [False, False, False, True]
    assert document["attempts"][0]["held"][0]["gave_up"] is True


def test_the_document_of_an_app_that_never_started_has_its_exit_status_and_lines() -> None:
    document = run_document(never_started(exit_code=1), JUDGEMENT, artifacts="kept")
    assert (document["outcome"], document["exit_status"]) == ("NEVER_STARTED", 13)
    assert document["control"]["lines"] == TRACEBACK


def test_the_document_of_the_sample_app_has_no_outcome() -> None:
    document = run_document(Told().ready().end(9), JUDGEMENT, artifacts="kept")
    assert "outcome" not in document
    assert document["control"] is None


# While it runs


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (0, "setting up, before any fault"),
        (2, "control life, before any fault: the app starts"),
        (3, "control life, before any fault: the app is ready and is being tried"),
        (7, "checking the paths to Postgres and Redis before any fault"),
    ],
)
def test_the_status_follows_the_control_life(kinds: int, says: str) -> None:
    run = OwnTold().control()
    run.events = run.events[:kinds]
    run.add(-10, "harness", "lab.ready", addresses={})
    assert status(history_of(run.trace())) == says


def test_the_status_says_what_a_life_without_phases_waits_for_and_how_its_journey_goes() -> None:
    run = OwnTold().ready().control()
    run.start(FIRST, 0)
    run.add(5, "proxy", "link.held", life=FIRST, target="postgres", link="l")
    run.add(9, "proxy", "link.opened", life=FIRST, target="redis", link="m")
    assert status(history_of(run.trace())) == (
        "attempt 1: waiting on a held connection to Postgres"
    )
    run.add(10, "harness", "ready.answered", life=FIRST, ready=True, status_code=200)
    run.tried(12, 4, why="status 500")
    assert status(history_of(run.trace())) == (
        "attempt 1: ready, and try 4 of the journey failed: status 500"
    )


def test_progress_tells_the_control_life_and_repeats_no_try_that_went_as_the_one_before() -> None:
    run = OwnTold().control().ready()
    run.start(FIRST, 0)
    for number in range(1, 40):
        run.tried(number, number, why="status 500")
    run.tried(50, 40)
    assert lines_of_progress(run.end(60)) == [
        "Postgres, Redis and the fault proxy are up",
        "the setup command ended after 2.1 s (exit 0)",
        "control life, before any fault: started, pid 7",
        "control life, before any fault: ready after 1.3 s",
        "control life, before any fault: the journey passed",
        "control life, before any fault: stopped (exit 0)",
        "the path to Postgres works",
        "the path to Redis works",
        "attempt 1 started, pid 101",
        "attempt 1: the journey failed at step 1: status 500",
        "attempt 1: the journey passed",
    ]


def test_progress_names_what_failed_in_the_control_life_and_what_became_of_data() -> None:
    assert lines_of_progress(never_started(exit_code=1))[-1] == (
        "the control life failed: the app died before it was ready"
    )
    run = OwnTold()
    run.add(1, "harness", "before.checked", life=FIRST, lost=["order 7 is gone"], doubled=[])
    assert lines_of_progress(run.trace()) == ["data of before the fault: 1 lost (order 7 is gone)"]


def test_the_live_view_keeps_the_control_life_and_the_last_try() -> None:
    feed, run, last = Feed(), OwnTold().control(), Life(1, 2 * MAX_ATTEMPTS_KEPT)
    for attempt in range(1, last.attempt + 1):
        run.start(Life(1, attempt), attempt)
    for number in range(1, 3 * MAX_EVENTS_OF_A_KIND):
        run.tried(100 + number, number, life=last)
    for event in run.events:
        feed.add(event)
    kept = feed.events()
    assert {event.kind for event in kept if event.life == CONTROL} >= {"control.ready"}
    tried = [e.data["number"] for e in kept if e.kind == "journey.tried" and e.life != CONTROL]
    assert len(tried) == MAX_EVENTS_OF_A_KIND
    assert tried[-1] == 3 * MAX_EVENTS_OF_A_KIND - 1


def test_a_death_of_which_nothing_else_was_seen_is_said_without_a_gap() -> None:
    run = OwnTold().control()
    run.start(FIRST, 0.0)
    run.exit(FIRST, 3.0, code=None, signal="SIGTERM")
    assert "Attempt 1: the process died with SIGTERM, and" in happened(run.end(10.0))

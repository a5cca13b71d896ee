"""What a check prints and writes: tables, JUnit's XML, a job summary, lines while it runs."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from absences import absence
from html_pages import read_page

from crashloop.model import Outcome, Role
from crashloop.report.lines import Line, plain
from crashloop.survey.execution import Found
from crashloop.survey.html import check_html
from crashloop.survey.junit import junit_text
from crashloop.survey.need import needs, not_seen, seen_in
from crashloop.survey.page import check_page, plan_page
from crashloop.survey.plan import Planned, control_of, grouped
from crashloop.survey.progress import Progress
from crashloop.survey.result import Met, Result, exit_status, not_applicable, result_of
from crashloop.survey.shown import shown
from crashloop.survey.summary import summary_text
from crashloop.survey.table import dependencies_table, results_table
from crashloop.survey.view import PlainView, live_lines

HANGS = Planned(incident="issue-1278", title="the database hangs", params={}, expected_s=10.0)
LOADS = Planned(incident="cache-still-loading", title="Redis loads", params={}, why="no Redis here")


def ran(outcome: str, run: Planned = HANGS, **answer: Any) -> Result:
    found = {"outcome": outcome, "verdict": "REPRODUCED", "exit_status": 0, "why": "so"} | answer
    return result_of(run, found, require=Outcome.RECOVERED, took_s=2.5)


RECOVERED = ran(
    "RECOVERED",
    deaths=3,
    exit_codes=[3, 3, 3],
    recovered_after_s=4.2,
    advice="serve at once",
    flags={"sigterm_ignored": "SIGKILL was needed"},
)
FAILED = ran(
    "NOT_RECOVERED",
    why="it did not come back <b>",
    deaths=7,
    exit_codes=[3] * 7,
    last_lines=["Traceback", "Error: & more"],
    command="crashloop reproduce issue-1278 --app shop",
)
REST = not_applicable(LOADS)


def text(lines: Any) -> str:
    return plain(list(lines))


def test_a_row_has_outcome_deaths_exit_codes_and_when_it_was_back() -> None:
    shown = text(results_table([RECOVERED, REST], width=80))
    assert shown.splitlines()[1].split() == (
        ["issue-1278", "recovered", "3", "times,", "exit", "3", "4.2", "s"]
    )
    assert "    what helps: serve at once" in shown
    assert "    sigterm_ignored: SIGKILL was needed" in shown
    assert shown.rstrip().endswith("does not apply\n  cache-still-loading: no Redis here")


@pytest.mark.parametrize("outcome", ["RECOVERED", "NOT_RECOVERED"])
def test_what_the_outage_is_stands_apart_from_what_the_app_did(outcome: str) -> None:
    result = ran(outcome, why="its journey failed under the fault")
    lines = text(results_table([result], width=80)).splitlines()
    assert "    outage: the database hangs" in lines
    assert "    your app: its journey failed under the fault" in lines
    summary = summary_text([result], [], app="shop")
    assert "outage: the database hangs<br>your app: its journey failed under the fault" in summary


def test_what_nothing_shows_is_not_called_the_apps_own_doing() -> None:
    shown = text(results_table([ran("INCONCLUSIVE", why="nothing shows that it came")], width=80))
    assert "    because nothing shows that it came" in shown
    assert "your app" not in shown


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([3, 3], "twice, exit 3"),
        ([1, 3], "twice, exit 1 and 3"),
        ([1, 3, 1, 3], "4 times, exit 1 and 3"),
        ([1, 3, 7], "3 times, exit 1, 3 and 7"),
        ([1, 3, 7, 9], "4 times, exit 1, 3, 7, ..."),
        ([], "once"),
    ],
)
def test_exit_codes_of_several_kinds_are_a_list(codes: list[int], words: str) -> None:
    died = ran("RECOVERED", deaths=max(len(codes), 1), exit_codes=codes, recovered_after_s=1.8)
    row = text(results_table([died], width=80)).splitlines()[1]
    assert f"recovered       {words} " in row
    assert row.endswith(" 1.8 s")
    assert len(row) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_of_the_page_is_wider_than_the_terminal(width: int) -> None:
    long = replace(RECOVERED, title="why " * 60, why="because " * 60)
    found = Found(results=(long, FAILED, REST), needs=(), stopped="")
    shown = page(found, width=width)
    assert max(map(len, shown.splitlines())) <= width


def test_a_narrow_terminal_loses_columns_that_the_notes_repeat() -> None:
    long = replace(RECOVERED, incident="orphaned-advisory-lock-behind-a-pooler")
    for width, columns in ((60, ["outcome"]), (80, ["outcome", "died"])):
        lines = text(results_table([long], width=width)).splitlines()
        assert lines[0].split()[1:3] == columns
        assert max(map(len, lines)) <= width
    wide = text(results_table([long], width=100)).splitlines()
    assert wide[0].endswith("back after")


def test_what_survival_proves_stands_in_its_row() -> None:
    survived = replace(ran("SURVIVED"), proves="it did not die, and served 3 journeys")
    shown = text(results_table([survived], width=80))
    assert "    proves: it did not die, and served 3 journeys" in shown
    assert survived.to_json()["proves"] == survived.proves


def page(found: Found, *, width: int = 80, update: str = "") -> str:
    return text(
        check_page(
            found,
            title="shop",
            require=Outcome.RECOVERED,
            status=exit_status(found.results),
            folder="crashloop-artifacts/x",
            update=update,
            width=width,
        )
    )


def test_the_page_begins_with_the_totals_and_ends_with_what_to_do() -> None:
    shown = page(Found(results=(RECOVERED, FAILED, REST), needs=()))
    assert shown.startswith(
        "shop\n  3 outages: 1 recovered, 1 not recovered and 1 does not apply\n"
    )
    assert "NOT MET   required: it recovers from each outage that applies" in shown
    assert "crashloop reproduce issue-1278 --app shop" in shown


def test_an_app_that_never_started_is_shown_with_its_last_lines_and_no_table() -> None:
    never = ran("NEVER_STARTED", last_lines=["ImportError: no module named shop"])
    found = Found(results=(never,), needs=(), control=never, stopped="it exited with 1")
    shown = page(found)
    assert "no fault was tried: it exited with 1" in shown
    assert "    ImportError: no module named shop" in shown
    assert "outcome" not in shown


def test_what_got_better_comes_with_the_command_that_keeps_it() -> None:
    better = replace(RECOVERED, changed="better: it was NOT_RECOVERED")
    shown = page(Found(results=(better,), needs=()), update="crashloop check --update-baseline")
    assert "better: it was NOT_RECOVERED in the baseline" in shown
    assert "keep what got better  crashloop check --update-baseline" in shown


def absent(way: str) -> Planned:
    return replace(HANGS, incident=f"dependency:postgres:{way}", target="postgres", way=way)


def test_a_dependency_is_as_hard_as_the_worse_of_refusal_and_silence() -> None:
    soft, hard = absence(), absence(dies=True, tries=(False,))
    (found,) = needs(
        [
            (absent("refused"), seen_in(absent("refused"), soft, "a")),
            (absent("silent"), seen_in(absent("silent"), hard, "b")),
            (absent("slow"), seen_in(absent("slow"), soft, "c")),
        ]
    )
    document = found.to_json()
    assert (document["name"], document["start"], document["run"]) == ("postgres", "hard", "hard")
    assert document["start_why"].startswith("silent: the app exited with 3")
    shown = text(dependencies_table([found], width=80))
    assert shown.splitlines()[1].split() == ["Postgres", "hard", "hard"]
    assert "survives slow answers at start and at run time" in shown


def test_what_slow_answers_break_is_said_but_does_not_make_it_hard() -> None:
    (found,) = needs(
        [
            (absent("refused"), seen_in(absent("refused"), absence(), "a")),
            (absent("slow"), seen_in(absent("slow"), absence(dies=True), "c")),
        ]
    )
    assert str(found.start.need) == "soft"
    assert found.slow.startswith("does not survive slow answers: not at start (the app exited")


def test_a_dependency_without_which_the_app_calls_itself_ready_and_fails_says_so() -> None:
    run = absent("refused")
    trace = absence(tries=(False,))
    (found,) = needs([(run, seen_in(run, trace, "a", {"ready_but_broken": "it lied"}))])
    assert found.run.why.endswith(", while it called itself ready")
    assert found.flags == {}
    shown = " ".join(text(dependencies_table([found], width=80)).split())
    assert "at run time, refused: its journey failed" in shown
    assert "while it called itself ready" in shown
    assert "while it called itself ready" in summary_text([], [found], app="shop")


def test_a_dependency_without_which_data_is_lost_says_so() -> None:
    run = absent("silent")
    flags = {"data_lost": "GET /orders/1 is gone", "sigterm_ignored": "SIGKILL was needed"}
    (found,) = needs([(run, seen_in(run, absence(), "a", flags))])
    assert found.to_json()["ways"]["silent"]["flags"] == flags
    for told in (
        text(dependencies_table([found], width=80)),
        summary_text([], [found], app="shop").replace("\\", ""),
    ):
        assert "data_lost: GET /orders/1 is gone" in told
        assert "sigterm_ignored" not in told


def test_a_run_that_broke_leaves_the_need_unknown_with_the_reason() -> None:
    (found,) = needs([(absent("refused"), not_seen(absent("refused"), "it broke"))])
    assert (str(found.start.need), found.start.why) == ("unknown", "it broke")


def test_junit_has_a_case_for_each_incident() -> None:
    suite = ET.fromstring(junit_text([RECOVERED, FAILED, REST], app="shop"))[0]  # noqa: S314  ours
    cases = suite.findall("testcase")
    assert suite.attrib["tests"] == "3"
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["skipped"]]
    failure = cases[1][0]
    assert failure.attrib["message"] == "NOT_RECOVERED: it did not come back <b>"
    assert "Error: & more" in str(failure.text)
    assert cases[2][0].attrib["message"] == "no Redis here"


def test_a_known_failure_passes_in_junit() -> None:
    known = replace(FAILED, met=Met.KNOWN)
    suite = ET.fromstring(junit_text([known], app="shop"))[0]  # noqa: S314  our own text
    assert (suite.attrib["failures"], len(suite[0])) == ("0", 0)


def test_the_summary_is_a_markdown_table_that_text_of_the_app_cannot_break() -> None:
    (need,) = needs([(absent("refused"), seen_in(absent("refused"), absence(), "a"))])
    hostile = replace(FAILED, why="a | b <script>\n# c")
    shown = summary_text([hostile, REST], [need], app="shop")
    rows = [row for row in shown.splitlines() if "issue-1278" in row]
    assert len(rows) == 1
    assert r"a \| b \<script\> \# c" in rows[0]
    assert "| postgres | soft | soft |" in shown


def test_the_plan_lists_what_would_run_with_its_time_and_says_that_nothing_was_started() -> None:
    runs = [HANGS, LOADS]
    shown = text(plan_page(grouped(runs), runs, control_of(runs), lambda _: 2, width=80))
    assert "  issue-1278                     about 10 s     in real time" in shown
    assert "cache-still-loading: no Redis here" in shown
    assert shown.endswith("2 runs, about 15 s; nothing was started")


def test_a_pipe_gets_a_line_for_each_start_and_end_with_the_time_left() -> None:
    stream = io.StringIO()
    progress = Progress(at_once=lambda _: 1)
    with PlainView(progress, stream) as view:
        view.planned([HANGS])
        view.started(HANGS)
        view.finished(HANGS, shown(HANGS, RECOVERED), earlier=False)
    assert stream.getvalue().splitlines() == [
        "issue-1278: started; 0 of 1 run done, about 10 s left",
        "issue-1278: recovered (3 times, exit 3) in 0 s; 1 of 1 run done",
    ]


def test_a_reader_that_went_away_ends_the_lines_and_not_the_check() -> None:
    stream = io.StringIO()
    stream.close()
    with PlainView(Progress(at_once=lambda _: 1), stream) as view:
        view.started(HANGS)
        view.started(HANGS)


def test_a_terminal_shows_what_has_ended_what_runs_and_what_waits() -> None:
    control = replace(HANGS, role=Role.CONTROL)
    progress = Progress(at_once=lambda _: 1)
    progress.plan([control, HANGS, LOADS])
    progress.start(control, 0.0)
    progress.finish(control, 5.0)
    progress.start(HANGS, 5.0)
    progress.said[HANGS.folder] = "attempt 1 died: exit 3"
    done = {control.folder: (control, shown(control, ran("INCONCLUSIVE")))}

    def drawn(height: int) -> list[Line]:
        return live_lines(progress, done, now_s=9.0, width=80, height=height)

    rows = text(drawn(24)).splitlines()
    assert rows[0].split() == ["control,", "without", "a", "fault", "done"]
    assert rows[1].endswith("4 s  attempt 1 died: exit 3")
    assert rows[2].split() == ["cache-still-loading", "waiting"]
    assert rows[-1].startswith("1 of 3 runs done")
    assert len(drawn(5)) <= 5


def test_what_does_not_apply_for_the_same_reason_stands_together() -> None:
    why = "{} is about redis, which app shop does not use"
    rest = [
        not_applicable(replace(LOADS, incident=name, why=why.format(name))) for name in ("a", "b")
    ]
    shown = text(results_table([*rest, REST], width=80))
    assert "  a and b: about redis, which app shop does not use\n" in shown
    assert "  cache-still-loading: no Redis here\n" in shown


def test_a_check_in_which_nothing_applies_says_so() -> None:
    shown = page(Found(results=(REST,), needs=()))
    assert "no outage applies to it: the reasons are above" in shown


def test_the_page_of_a_check_links_each_outage_to_its_run_and_shows_text_as_text() -> None:
    html = check_html(
        Found(results=(RECOVERED, FAILED, REST), needs=()),
        title="shop <b>",
        require=Outcome.RECOVERED,
        status=10,
        command="crashloop check shop",
        pages={"issue-1278": "issue-1278/report.html"},
    )
    page = read_page(html)

    assert page.wrong == []
    assert page.all("h1")[0].text == "shop <b>"
    assert "NOT MET" in page.all("header")[0].text
    assert ("a", "issue-1278/report.html") in page.references()
    assert "your app: it did not come back <b>" in page.by_id("outages").text
    assert "cache-still-loading" in page.by_id("rest").text

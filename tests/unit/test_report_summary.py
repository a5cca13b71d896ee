"""The summary: sentences from the events, the verdict with its reason, the evidence."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from crashloop_edits import inserted
from crashloop_traces import NAME_ERROR, REFUSAL, TIME_OUT, TraceBuilder, control, reproduction
from report_runs import NO_SLOT, Told, three_replicas
from report_texts import summary_text

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Life, Role, Verdict
from crashloop.proof import EXPECTED
from crashloop.report.events import history_of
from crashloop.report.lines import plain
from crashloop.report.summary import MEANING, ROLE_ENDS, Where, meaning_of, title
from crashloop.report.verdicts import ProofRow, proof_lines

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


PLATFORM = "the platform (a model of docker:on-failure:6)"


def told(trace: Trace, width: int = 100) -> str:
    """The summary with its line breaks taken out."""
    return " ".join(summary_text(trace, judge(trace), width=width).split())


def test_a_reproduction_is_described_from_its_events() -> None:
    text = told(reproduction())

    assert "Before any fault, Postgres and Redis answered through the proxy." in text
    assert "Attempts 1 to 3: phase database failed after 20.0 s (its limit: 20 s)" in text
    assert "TimeoutError <- CancelledError; the process died with exit 3 each time" in text
    assert " s here), when attempt 3 had exited." in text
    assert "The journey passed: " in text


def test_the_sentences_follow_the_events_and_are_not_canned() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.started(1)
    builder.phase("init", 1)
    builder.phase("dependencies", 1, took_s=0.2, error=NAME_ERROR)
    builder.exited(1)
    builder.add("supervisor", "restart.gave_up", attempt=1, reason="restarted 0 times")

    text = told(builder.trace())

    assert "Attempt 1: phase dependencies failed after" in text
    assert f"with NameError; the process died with exit 3, and {PLATFORM} did not" in text
    assert "The platform gave up: restarted 0 times." in text
    assert "No attempt became ready, as far as the trace goes." in text
    assert "The trace has no end" in text
    assert "database failed" not in text


def test_deaths_that_end_a_loop_are_distinguished_from_restarted_ones() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.injected()
    for attempt in (1, 2, 3):
        builder.death(attempt)
    builder.ending()

    text = told(builder.trace())
    assert f"{PLATFORM} restarted it twice before the run ended" in text


def test_the_verdict_comes_with_its_meaning_and_its_reason() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.injected()
    builder.life(1)
    builder.ending()
    trace = builder.trace()

    text = told(trace)

    assert f"INCONCLUSIVE {MEANING[Verdict.INCONCLUSIVE]}" in text
    assert f"because {judge(trace).reason}" in text


def test_a_control_run_says_that_it_ended_as_it_must() -> None:
    text = told(control())

    assert "No fault was injected: this is the control run." in text
    assert "NOT_REPRODUCED" in text
    assert "the control run ended as it must" in text


def test_every_finding_is_there_with_its_check_and_its_lines_of_the_trace() -> None:
    trace = reproduction()

    text = told(trace)

    for finding in judge(trace).findings:
        seqs = ", ".join(map(str, finding.evidence))
        assert f"[{finding.check}{f', seq {seqs}' if seqs else ''}]" in text


def test_findings_that_hold_that_are_refuted_and_that_saw_nothing_are_distinguished() -> None:
    text = told(control())

    assert "✓ holds" in text
    assert "✗ refuted" in text
    assert "? saw nothing" in text


def test_a_scaled_run_explains_its_clock_and_a_real_one_does_not() -> None:
    assert "x20: every limit, delay and back-off is divided by 20" in told(reproduction())
    assert "is divided by" not in told(reproduction(scale=1.0))


def test_a_broken_harness_says_what_to_do() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.add("harness", "harness.failed", message="Postgres died", hint="run again")
    builder.add("harness", "run.finished", how="failed", events=len(builder.events) + 1)

    text = told(builder.trace())

    assert "HARNESS_ERROR" in text
    assert "because the harness broke: Postgres died" in text
    assert "what to do: run again" in text


def test_one_of_a_kind_is_counted_in_the_singular() -> None:
    text = told(reproduction(deaths=1))

    assert "1 receipt, for 1 failed attempt" in text
    assert "1 attempt died with exit 3" in text


def test_a_run_of_one_fault_alone_speaks_of_the_fault_and_not_of_an_outage() -> None:
    trace = reproduction()
    trace.header["scenario"]["incident"] = "fault:hold"

    text = told(trace)

    assert "REPRODUCED the fault acted here, and the run shows its signs" in text
    assert "signs of the fault were seen" in text


def test_an_outage_other_than_the_incidents_is_named_in_the_verdict() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario(fault="refuse"))
    builder.opening()
    builder.injected()
    for attempt in (1, 2, 3):
        builder.started(attempt)
        builder.phase("init", attempt)
        builder.phase("database", attempt, took_s=0.002, error=REFUSAL)
        builder.exited(attempt)
        builder.after_exit(attempt)
    builder.ending()
    history = history_of(builder.trace())

    said = meaning_of(history, Verdict.NOT_REPRODUCED)

    assert said == (
        "a fair test, and another outage happened instead: phase database failed after 2 ms "
        "here with ConnectionRefusedError and the app died with exit 3, 3 times"
    )
    assert meaning_of(history_of(control()), Verdict.NOT_REPRODUCED).endswith("did not happen")


def test_every_way_in_which_attempts_died_is_told_with_how_often_it_came() -> None:
    run, begin_s = Told().ready(), 0.0
    for attempt in range(1, 9):
        life = Life(1, attempt)
        if attempt <= 2:
            begin_s = run.killed(life, begin_s)
        else:
            begin_s = run.death(life, begin_s, took_s=0.1, error=NO_SLOT)

    said = meaning_of(history_of(run.end(begin_s)), Verdict.NOT_REPRODUCED)

    assert said == (
        "a fair test, and another outage happened instead: phase database failed after 5 ms here "
        "with TooManyConnectionsError [53300] and the app died with exit 3, 6 times; phase "
        "database was the last and the start-up probe had the app killed (SIGKILL), twice"
    )


def test_a_scale_that_is_too_large_is_named_with_the_largest_usable_one() -> None:
    assert "phase database took 30% of its limit" in told(reproduction(scale=200.0))
    assert "the largest usable scale is 166" in told(reproduction(scale=200.0))
    assert "time scale" not in told(reproduction(scale=20.0))


def test_a_phase_that_an_untouched_app_does_not_finish_points_at_the_scale_in_the_reason() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario(), scale=1000.0)
    builder.opening()
    builder.injected()
    builder.started(1)
    builder.phase("dependencies", 1, took_s=0.6, error=TIME_OUT)
    builder.exited(1)
    builder.ending()

    judgement = judge(builder.trace())

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.endswith(
        "time scale 1000 may be too large here: without a fault, phase dependencies used up its "
        "limit; try 250 or less"
    )


def outage_of_ones_own_app(*said: str) -> Trace:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.started(1)
    for text in said:
        builder.add("app", "app.output", attempt=1, lines=text.count("\n") + 1, text=text)
    builder.exited(1)
    builder.ending()
    return builder.trace()


def test_the_last_lines_of_an_app_that_died_are_shown_without_escape_sequences() -> None:
    trace = outage_of_ones_own_app(
        *(f"line {n}" for n in range(20)), "Traceback:\n  File \x1b[31mx\nValueError: no URL"
    )

    lines = summary_text(trace, judge(trace)).split("\n")

    head = lines.index("Last lines of attempt 1  (attempt-1.log)")
    assert lines[head + 1 : head + 3] == ["  line 11", "  line 12"]
    assert lines[head + 10 : head + 14] == [
        "  Traceback:", "    File x", "  ValueError: no URL", "",
    ]  # fmt: skip


def test_the_app_of_a_plain_reproduction_is_not_quoted() -> None:
    trace = reproduction()
    said = inserted(trace, trace.events[30], "app", "app.output", attempt=1, text="a line")

    assert "Last lines" not in told(said)


def test_a_torn_trace_says_so() -> None:
    assert "last line is torn off" in told(replace(reproduction(), torn_line=True))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked_for_but_paths_and_commands(width: int) -> None:
    trace = reproduction()
    where = Where(folder="/evidence", files=("trace.jsonl",), command="crashloop " + "x" * 300)

    lines = summary_text(trace, judge(trace), where=where, width=width).split("\n")

    assert [one for one in lines if len(one) > width] == [f"Again     {where.command}"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_long_command_is_broken_before_an_option_so_that_a_shell_still_reads_it(
    width: int,
) -> None:
    trace = reproduction()
    command = (
        "crashloop reproduce issue-1278 --app shop --time-scale 600 --seed 4294967295 "
        "-p fault=black_hole -p limit_s=25 -p 'note=a -b c d e f'"
    )
    where = Where(folder="/evidence", command=command)

    text = summary_text(trace, judge(trace), where=where, width=width)

    lines = text.split("Again ")[1].splitlines()
    assert len(lines) > 1
    assert all(len(one) <= width for one in lines[1:])
    assert all(one.split()[0].startswith("-") for one in lines[1:])
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(command)


def test_the_title_leaves_out_the_paths_where_there_is_no_room() -> None:
    history = history_of(three_replicas())

    assert plain([title(history, width=100)]).endswith("seed 1  postgres unix  redis tcp")
    assert plain([title(history, width=60)]).endswith("3 replicas  x20  seed 1")


def test_the_roles_end_in_the_report_as_they_must_in_a_proof() -> None:
    assert {role: ends for role, (ends, _) in ROLE_ENDS.items()} == {
        str(role): verdict for role, verdict in EXPECTED.items()
    }


@pytest.mark.parametrize("short", [None, Role.REMEDY])
def test_a_proof_is_a_table_with_what_falls_short(short: Role | None) -> None:
    rows = [
        ProofRow(
            role=str(role),
            verdict=verdict,
            expected=verdict,
            shortfall="attempt 1 ended with exit 3" if role is short else "",
        )
        for role, verdict in EXPECTED.items()
    ]
    where = Where(folder="evidence", command="crashloop prove issue-1278")

    text = plain(
        proof_lines(
            "issue-1278",
            rows,
            proven=short is None,
            where=where,
            remedied="the remedy mine ends it: with it, the app survived",
            width=100,
        )
    )

    assert text.count("✓ ok") == (4 if short is None else 3)
    assert ("NOT PROVEN" in text) is (short is not None)
    assert ("the remedy mine ends it" in text) is (short is None)
    assert ("attempt 1 ended with exit 3" in text) is (short is not None)

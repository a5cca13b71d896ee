"""The timeline: rows, bars in proportion, exits, marks, both clocks."""

from __future__ import annotations

import pytest
from crashloop_edits import with_a_second_worker
from crashloop_traces import TraceBuilder, control, reproduction
from report_runs import Told
from report_texts import timeline_text

from crashloop.incidents import incident
from crashloop.model import Life
from crashloop.report.drawing import timeline
from crashloop.report.events import history_of, history_so_far
from crashloop.report.glyphs import ASCII, UNICODE, glyphs_for
from crashloop.report.history import PhaseEnd
from crashloop.report.lines import plain


def row(text: str, head: str) -> str:
    return next(one for one in text.split("\n") if one.startswith(head))


def test_each_attempt_has_a_row_that_ends_with_how_it_ended() -> None:
    drawn = timeline_text(reproduction())

    for attempt in (1, 2, 3):
        assert "█✗ exit 3" in row(drawn, f"attempt {attempt}")
    assert row(drawn, "attempt 4").endswith("ready")
    assert "●" in row(drawn, "attempt 4")


def test_the_failed_phase_is_drawn_in_proportion_to_its_time() -> None:
    drawn = timeline_text(reproduction(), width=120)

    bar = row(drawn, "attempt 1").replace(" database ", "█" * 10)
    assert bar.count("█") == pytest.approx(2 * bar.count("┄"), rel=0.5)


def test_the_fault_is_a_bar_up_to_its_heal() -> None:
    drawn = timeline_text(reproduction())

    fault = row(drawn, "postgres")
    assert "connector-scaling: hold" in fault
    assert fault.index("◆ healed") > fault.rindex("▄")


def test_the_heal_is_drawn_where_the_last_death_was() -> None:
    drawn = timeline_text(reproduction())

    assert abs(row(drawn, "postgres").index("◆") - row(drawn, "attempt 3").index("✗")) <= 1


def test_a_scaled_run_has_both_clocks_and_a_real_one_has_one() -> None:
    scaled = timeline_text(reproduction())
    real = timeline_text(reproduction(scale=1.0))

    assert row(scaled, "incident s").split()[:4] == ["incident", "s", "0", "20"]
    assert row(scaled, "wall s").split()[:4] == ["wall", "s", "0", "1"]
    assert row(real, "seconds")
    assert "wall s" not in real


def test_a_control_run_has_no_fault_row() -> None:
    assert not [one for one in timeline_text(control()).split("\n") if one.startswith("postgres")]


@pytest.mark.parametrize("width", [50, 80, 100, 120, 200])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    assert max(map(len, timeline_text(reproduction(), width=width).split("\n"))) <= width


def test_a_failure_of_a_millisecond_is_still_visible() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.started(1)
    builder.phase("init", 1)
    builder.phase("dependencies", 1, took_s=5.0)
    builder.phase("database", 1, took_s=0.001, error=[{"type": "ConnectionRefusedError"}])
    builder.exited(1)

    assert row(timeline_text(builder.trace()), "attempt 1").endswith("█✗ exit 3")


def test_the_oldest_attempts_are_folded_and_counted() -> None:
    drawn = timeline_text(reproduction(deaths=49))

    assert drawn.count("attempt ") <= 21
    assert "30 earlier attempts not shown" in drawn
    assert row(drawn, "attempt 31")
    assert row(drawn, "attempt 50")
    assert "1 earlier attempt not shown" in timeline_text(reproduction(deaths=20))


def test_the_legend_names_what_was_drawn_and_nothing_else() -> None:
    assert "died" not in timeline_text(control())
    assert "✗ died  " in timeline_text(reproduction())


@pytest.mark.parametrize("status", [200, 503])
def test_an_app_that_is_ready_only_as_the_run_ends_is_still_marked_at_any_width(
    status: int,
) -> None:
    run, life = Told().ready(), Life(1, 1)
    run.start(life, 0)
    run.phase(life, "database", 5, 99)
    run.add(99, "harness", "ready.answered", life=life, ready=False, status_code=status)
    run.add(99.9, "harness", "ready.answered", life=life, ready=True, status_code=200)
    run.exit(life, 100, code=None)
    trace = run.end(100)

    for width in range(50, 141):
        drawn = timeline_text(trace, width)
        assert row(drawn, "attempt 1").endswith("● ready"), width
        assert "● ready" in drawn.split("\n")[-1]
        seen = "○" in row(drawn, "attempt 1")
        assert ("○ serves, not ready" in drawn) is seen


def test_a_timeline_can_be_drawn_at_any_moment_of_a_run() -> None:
    trace = reproduction()

    for count in range(len(trace.events) + 1):
        history = history_so_far(trace.header, trace.events[:count])
        assert plain(timeline(history))


def test_an_unfinished_phase_is_running_and_ends_now() -> None:
    trace = reproduction()
    until = next(
        n for n, e in enumerate(trace.events)
        if e.kind == "phase.started" and e.data["phase"] == "database"
    )  # fmt: skip
    now_ns = trace.events[until].mono_ns + 500_000_000

    history = history_so_far(trace.header, trace.events[: until + 1], now_ns=now_ns)

    phase = history.lives[0].last_phase
    assert phase is not None
    assert phase.outcome is PhaseEnd.RUNNING
    assert phase.took_s == pytest.approx(0.5)


def test_the_phases_of_workers_end_each_by_the_line_of_its_own_process() -> None:
    (life,) = history_of(with_a_second_worker(control(), later_s=0.02)).lives
    ends = {(phase.name, phase.outcome) for phase in life.phases}
    assert {outcome for _, outcome in ends} == {PhaseEnd.COMPLETED}
    assert len(life.phases) == 2 * len(ends)


def test_a_phase_whose_process_ended_in_it_was_cut_short() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.started(1)
    builder.say("phase.started", 1, phase="dependencies", limit_s=6.0)
    builder.exited(1, code=None)

    drawn = timeline_text(builder.trace())

    assert "phase cut short" in drawn
    assert row(drawn, "attempt 1").endswith("✗ SIGTERM")


def test_a_stream_that_takes_ascii_only_gets_ascii() -> None:
    drawn = timeline(history_of(reproduction()), glyphs=glyphs_for("ascii"))

    plain(drawn).encode("ascii")
    assert glyphs_for("utf-8") is UNICODE
    assert glyphs_for("latin-1") is ASCII


def test_meanings_never_share_a_character() -> None:
    for glyphs in (UNICODE, ASCII):
        bars = (
            glyphs.boot, glyphs.completed, glyphs.failed, glyphs.degraded, glyphs.running,
            glyphs.cut, glyphs.serving, glyphs.waiting, glyphs.serves, glyphs.ready, glyphs.died,
            glyphs.probe_failed, glyphs.killed,
        )  # fmt: skip
        assert len(set(bars)) == len(bars)

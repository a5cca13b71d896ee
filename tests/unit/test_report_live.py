"""The view of a run in progress: bounded, and never an obstacle to the run."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from crashloop_traces import make_event, reproduction
from report_runs import Told, killed_by_the_probe, three_replicas
from rich.console import ConsoleDimensions

from crashloop.model import Life
from crashloop.report.events import history_so_far
from crashloop.report.live import (
    MAX_ATTEMPTS_KEPT,
    MAX_EVENTS_OF_A_KIND,
    Feed,
    LiveView,
    PlainProgress,
)
from crashloop.report.progress import MAX_LINES, Progress
from crashloop.report.status import status
from crashloop.report.terminal import Terminal


def test_a_feed_keeps_the_latest_attempts_only() -> None:
    trace = reproduction(deaths=200)
    feed = Feed()

    for event in trace.events:
        feed.add(event)

    attempts = {e.attempt for e in feed.events() if e.attempt is not None}
    assert len(attempts) == MAX_ATTEMPTS_KEPT
    assert max(attempts) == 201
    assert history_so_far(trace.header, feed.events()).lives[-1].ready_s is not None


def test_an_attempt_that_repeats_itself_is_bounded_and_its_end_still_seen() -> None:
    feed = Feed()
    feed.add(
        make_event(
            seq=1, mono_ns=1, source="supervisor", kind="process.started", attempt=1,
            data={"pid": 1},
        )
    )  # fmt: skip
    for n in range(5000):
        feed.add(
            make_event(
                seq=n, mono_ns=n, source="app", kind="phase.started", attempt=1,
                data={"phase": "p"},
            )
        )  # fmt: skip
    feed.add(
        make_event(
            seq=1, mono_ns=6000, source="supervisor", kind="process.exited", attempt=1,
            data={"exit_code": 3},
        )
    )  # fmt: skip

    assert len(feed.events()) == MAX_EVENTS_OF_A_KIND + 2
    assert history_so_far({}, feed.events()).lives[0].exit == "exit 3"


def test_a_feed_keeps_the_latest_attempts_of_each_replica() -> None:
    run, feed = Told(replicas=2), Feed()
    for attempt in range(1, 100):
        run.start(Life(2, attempt), attempt)
    run.start(Life(1, 1), 0)

    for event in run.trace().events:
        feed.add(event)

    kept = [event.life for event in feed.events()]
    assert Life(1, 1) in kept
    assert min(life for life in kept if life and life.replica == 2) == Life(2, 75)


def test_a_replica_is_named_in_each_line_of_progress_where_there_are_several() -> None:
    stream = io.StringIO()
    with PlainProgress(scale=20.0, stream=stream, replicas=3) as view:
        for event in [*three_replicas().events, *killed_by_the_probe().events]:
            view.on_event(event)

    text = stream.getvalue()
    assert "attempt 1 of replica 4 of the old revision started" in text
    assert "attempt 1 of replica 1: phase database failed after 20.0 s of 20 s" in text
    assert "attempt 3 of replica 2 died: exit 3" in text
    assert "journey in replica 3, step 2 of 2: GET /items answered" in text
    assert "attempt 2 of replica 2: the start-up probe failed 30 times" in text
    assert "attempt 2 of replica 2: SIGKILL from the platform, for the start-up probe" in text


def test_progress_names_what_came_up_from_the_trace() -> None:
    progress, events = Progress(scale=1.0), Told().ready("redis").trace().events

    said = [str(progress.line(event)) for event in events]

    assert said[0].endswith("Postgres, Redis and the fault proxy are up")
    assert said[1].endswith("the path to Redis works")


@pytest.mark.parametrize(
    ("until_s", "says"),
    [
        (2.5, "replicas 1 and 2, attempt 1: starting; replica 4, attempt 1: ready"),
        (12.0, "replicas 1 to 3, attempt 1: phase database for 4 to 6 s of 20 s; replica 4"),
        (90.5, "replicas 1 and 2, attempt 4: ready, and the journey is being tried"),
        (100.0, "replicas 1 to 3, attempt 4: ready, and the journey passed"),
    ],
)
def test_the_status_says_what_the_replicas_do_now(until_s: float, says: str) -> None:
    trace = three_replicas()
    now_ns = round((1000 + until_s / 20) * 1e9)
    events = [event for event in trace.events if event.mono_ns <= now_ns]

    assert says in status(history_so_far(trace.header, events, now_ns=now_ns))


def test_before_the_first_attempt_the_status_names_the_dependencies() -> None:
    run = Told()

    assert "Postgres, Redis and the fault proxy are starting" in status(
        history_so_far(run.header, [])
    )
    assert "checking the paths to Postgres and Redis before any fault" in status(
        history_so_far(run.header, run.ready().trace().events)
    )


def test_the_status_names_the_probe_that_ends_a_life() -> None:
    trace = killed_by_the_probe()
    killed = next(e for e in trace.events if e.kind == "process.killed")
    events = [event for event in trace.events if event.mono_ns <= killed.mono_ns]

    said = status(history_so_far(trace.header, events))

    assert said.endswith("replica 2, attempt 1: the start-up probe had it killed")


@pytest.mark.parametrize("height", [18, 24, 50])
def test_the_live_view_fits_the_terminal(height: int) -> None:
    screen = io.StringIO()
    terminal = Terminal(screen)
    terminal.console.size = ConsoleDimensions(60, height)
    view = LiveView(three_replicas().header, terminal)
    for event in three_replicas().events:
        view.on_event(event)

    drawn = view._draw().plain.split("\n")

    assert len(drawn) <= height
    assert "stopped" in drawn[-1]


def test_progress_is_a_line_for_each_important_event_with_both_clocks() -> None:
    stream = io.StringIO()
    with PlainProgress(scale=20.0, stream=stream) as view:
        for event in reproduction().events:
            view.on_event(event)

    lines = stream.getvalue().splitlines()
    assert len([one for one in lines if "died: exit 3" in one]) == 3
    assert len([one for one in lines if "phase database failed after 20.0 s of 20 s" in one]) == 3
    assert "journey, step " in lines[-1]
    assert "s here)" in lines[-1]
    assert len(lines) < 25


def test_progress_never_runs_backwards_in_time() -> None:
    progress = Progress(scale=20.0)
    begun = make_event(
        seq=1, mono_ns=0, source="supervisor", kind="process.started", attempt=1, data={"pid": 1}
    )
    died = make_event(
        seq=2, mono_ns=2_000_000_000, source="supervisor", kind="process.exited", attempt=1,
        data={"exit_code": 3},
    )  # fmt: skip
    heard_late = replace(begun, seq=3, mono_ns=1_000_000_000, attempt=2)

    said = [str(progress.line(event)).split()[0] for event in (begun, died, heard_late)]

    assert said == ["0.0", "40.0", "40.0"]


def test_progress_is_wrapped_on_a_narrow_terminal() -> None:
    stream = io.StringIO()
    with PlainProgress(scale=20.0, stream=stream, width=50) as view:
        for event in reproduction().events:
            view.on_event(event)

    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 50
    assert any(one.startswith("    TimeoutError <- CancelledError") for one in lines)


def test_a_long_limit_is_written_out_in_the_status() -> None:
    run = Told(scale=60.0).ready()
    run.start(Life(1, 1), 0)
    run.phase(Life(1, 1), "database", 10, None, limit_s=1200.0)
    now_ns = run.events[-1].mono_ns + round(80 / run.scale * 1e9)

    history = history_so_far(run.header, run.events, now_ns=now_ns)

    assert status(history) == "attempt 1: phase database for 80 s of 1200 s"


def test_progress_of_an_endless_loop_is_bounded() -> None:
    stream = io.StringIO()
    with PlainProgress(scale=20.0, stream=stream) as view:
        for event in reproduction(deaths=200).events:
            view.on_event(event)

    lines = stream.getvalue().splitlines()
    assert len(lines) == MAX_LINES + 1
    assert "in the trace only" in lines[-1]


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with PlainProgress(scale=20.0, stream=Gone()) as view:
        for event in reproduction().events:
            view.on_event(event)


def test_the_live_view_draws_its_events() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    trace, screen = reproduction(), Screen()
    terminal = Terminal(screen)
    with LiveView(trace.header, terminal) as view:
        for event in trace.events:
            view.on_event(event)

    assert terminal.is_live == (not terminal.console.is_dumb_terminal)
    assert "issue-1278" in screen.getvalue()


def test_a_pipe_is_never_drawn_to_twice() -> None:
    assert not Terminal(io.StringIO()).is_live

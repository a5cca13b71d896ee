"""The view of a run in progress: bounded, and never an obstacle to the run."""

from __future__ import annotations

import io
from dataclasses import replace

from crashloop_traces import make_event, reproduction

from crashloop.report.events import history_so_far
from crashloop.report.live import (
    MAX_ATTEMPTS_KEPT,
    MAX_EVENTS_OF_AN_ATTEMPT,
    Feed,
    LiveView,
    PlainProgress,
)
from crashloop.report.progress import MAX_LINES, Progress
from crashloop.report.terminal import Terminal


def test_a_feed_keeps_the_latest_attempts_only() -> None:
    trace = reproduction(deaths=200)
    feed = Feed()

    for event in trace.events:
        feed.add(event)

    attempts = {e.attempt for e in feed.events() if e.attempt is not None}
    assert len(attempts) == MAX_ATTEMPTS_KEPT
    assert max(attempts) == 201
    assert history_so_far(trace.header, feed.events()).attempts[-1].ready_s is not None


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
                seq=n, mono_ns=n, source="proxy", kind="link.held", attempt=1, data={"fault": "f"}
            )
        )
    feed.add(
        make_event(
            seq=1, mono_ns=6000, source="supervisor", kind="process.exited", attempt=1,
            data={"exit_code": 3},
        )
    )  # fmt: skip

    assert len(feed.events()) == MAX_EVENTS_OF_AN_ATTEMPT + 1
    assert history_so_far({}, feed.events()).attempts[0].exit == "exit 3"


def test_progress_is_a_line_for_each_important_event_with_both_clocks() -> None:
    stream = io.StringIO()
    with PlainProgress(scale=20.0, stream=stream) as view:
        for event in reproduction().events:
            view.on_event(event)

    lines = stream.getvalue().splitlines()
    assert len([one for one in lines if "died: exit 3" in one]) == 3
    assert len([one for one in lines if "phase database failed after 20.0 s of 20 s" in one]) == 3
    assert lines[-1].endswith("golden path: the message is row 1")
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

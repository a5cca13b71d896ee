"""How long a step may take in a scaled run, and how soon what goes on failing is tried again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from crashloop.clock import TimeScale
from crashloop.engines.output import MAX_LINES
from crashloop.journey import pace, scaled
from crashloop.journey.pace import Pace
from crashloop.model import Journey, RequestStep

TRACEBACK_LINES = 200
READS = 8
"""How often a step that reads is taken within its 5 s, after pauses that double."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def move(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("given_s", "factor", "longest_s", "within_s"),
    [
        (5.0, 1.0, 0.0, 5.0),
        (5.0, 4.0, 0.0, 1.25),
        (5.0, 20.0, 0.02, 1.0),
        (0.4, 20.0, 0.02, 0.4),
        (5.0, 20.0, 0.8, 2.4),
        (5.0, 20.0, 4.0, 5.0),
    ],
    ids=["real time", "divided", "a second at least", "less was given", "slow", "very slow"],
)
def test_a_step_of_a_scaled_run_has_its_time_divided_and_what_its_work_takes(
    given_s: float, factor: float, longest_s: float, within_s: float
) -> None:
    step = RequestStep(method="GET", path="/orders", within_s=given_s)
    journey = scaled(Journey(steps=(step,)), TimeScale(factor=factor), longest_s=longest_s)
    assert [each.within_s for each in journey.steps] == [within_s]


def tries_within(clock: Clock, seconds: float, *, took_s: float) -> int:
    """How often something that fails for that long is tried, each try taking `took_s`."""
    failing, tries = Pace(pause_s=0.5), 0
    while clock.now_s < seconds:
        if failing.is_due("failing"):
            clock.move(took_s)
            tries += 1
            failing.tried("failing", passed=False)
        clock.move(0.5)
    return tries


@pytest.mark.parametrize(
    ("took_s", "asks", "seconds"),
    [(0.02, 1, 600.0), (5.0, READS, 90.0)],
    ids=["a request", "a step that reads"],
)
def test_an_app_that_prints_a_traceback_for_each_try_keeps_all_of_its_output(
    clock: Clock, took_s: float, asks: int, seconds: float
) -> None:
    tries = tries_within(clock, seconds, took_s=took_s)
    assert tries * asks * TRACEBACK_LINES < MAX_LINES


def test_what_passes_is_tried_after_each_pause(clock: Clock) -> None:
    passing = Pace(pause_s=0.5)
    for _ in range(100):
        passing.tried("well", passed=True)
        assert not passing.is_due("well")
        clock.move(0.5)
        assert passing.is_due("well")


def test_a_change_makes_what_has_long_failed_due_at_once(clock: Clock) -> None:
    failing = Pace(pause_s=0.5)
    for _ in range(2):
        failing.tried("under the fault", passed=False)
        clock.move(100.0)
    failing.tried("under the fault", passed=False)
    clock.move(5.0)
    assert not failing.is_due("under the fault")
    assert failing.is_due("healed")

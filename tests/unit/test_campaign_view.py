"""What a comparison shows while it runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from crashloop.campaign.measure import Measured
from crashloop.campaign.plan import PlannedArm
from crashloop.campaign.schedule import Schedule
from crashloop.campaign.view import Shown, live_lines
from crashloop.model import Verdict
from crashloop.model.comparison import Met

TRIAL = Measured(verdict=Verdict.REPRODUCED, lives_started=8, lives_ready=2)


def shown(*names: str, looks: tuple[int, ...] = (2, 4)) -> tuple[Shown, Schedule]:
    found, schedule = Shown(), Schedule(dict.fromkeys(names, 10.0), looks=looks)
    found.execution = cast("Any", SimpleNamespace(schedule=schedule, at_once=2))
    found.is_fair = True
    return found, schedule


def text(found: Shown, *, now_s: float = 0.0, width: int = 100, height: int = 40) -> list[str]:
    lines = live_lines(found, now_s=now_s, width=width, height=height)
    return ["".join(span.text for span in each).rstrip() for each in lines]


def test_each_arm_has_a_line_with_its_trials_its_success_and_what_it_does() -> None:
    found, schedule = shown("none", "limit=25")
    name, number = schedule.take(0.0) or ("", 0)
    schedule.end(name, number, 10.0, counts=True)
    found.count(PlannedArm(remedy="none", name="none"), TRIAL)
    schedule.take(10.0)
    lines = text(found, now_s=10.0)
    assert lines[0].split() == [
        *["none", "1", "of", "2", "trials", "success", "2", "of", "8", "waiting"]
    ]
    assert lines[1].split() == [*["limit=25", "0", "of", "2", "trials", "1", "running"]]
    assert lines[-1] == "1 trial, 0 of 2 arms decided, about 15 s left"


def test_a_decided_arm_says_how_and_comes_last() -> None:
    found, schedule = shown("none", "limit=25", looks=(1,))
    schedule.end("none", 1, counts=True)
    schedule.look("none", decided=True)
    found.results["none"] = Met.NOT_MET
    lines = text(found)
    assert lines[0].startswith("limit=25")
    assert lines[1].split()[-2:] == ["not", "met"]


def test_an_arm_that_stays_open_after_its_last_trial_is_not_counted_as_decided() -> None:
    found, schedule = shown("none", "limit=25", "limit=60", looks=(1,))
    for name, result in (("none", Met.NOT_MET), ("limit=25", Met.NOT_ENOUGH_TRIALS)):
        schedule.end(name, 1, counts=True)
        schedule.look(name, decided=result is Met.NOT_MET)
        found.results[name] = result
    assert "1 of 3 arms decided, 1 undecided at the last look" in text(found)[-1]


def test_a_trial_that_does_not_count_adds_no_lives() -> None:
    found = Shown()
    arm = PlannedArm(remedy="none", name="none")
    found.count(arm, Measured(verdict=Verdict.INCONCLUSIVE, inconclusive="why", lives_started=2))
    assert found.success["none"] == (0, 0)


def test_before_the_first_trial_it_says_that_controls_run() -> None:
    assert text(Shown()) == ["control runs measure how many runs are fair at once"]


def test_a_low_and_narrow_terminal_shows_what_fits() -> None:
    found, _ = shown(*(f"arm-{n}" for n in range(20)))
    lines = text(found, width=40, height=10)
    assert len(lines) <= 10
    assert all(len(line) <= 50 for line in lines[:-1])

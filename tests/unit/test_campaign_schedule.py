"""Which trial comes next, and how long the rest may take."""

from __future__ import annotations

from crashloop.campaign.schedule import Schedule


def begun(schedule: Schedule, *, now_s: float = 0.0) -> list[tuple[str, int]]:
    """Every trial that may be begun now."""
    found = []
    while taken := schedule.take(now_s):
        found.append(taken)
    return found


def test_every_arm_has_one_trial_before_any_has_two() -> None:
    schedule = Schedule({"a": 1.0, "b": 9.0, "c": 1.0}, looks=[2])
    assert {name for name, _ in begun(schedule)[:3]} == {"a", "b", "c"}


def test_the_arm_with_most_work_left_comes_next() -> None:
    schedule = Schedule({"quick": 1.0, "slow": 1.0}, looks=[10])
    assert {schedule.take(0.0), schedule.take(0.0)} == {("quick", 1), ("slow", 1)}
    schedule.end("quick", 1, 1.0, counts=True)
    schedule.end("slow", 1, 20.0, counts=True)
    assert [schedule.take(20.0) for _ in range(3)] == [("slow", 2), ("slow", 3), ("slow", 4)]


def test_the_arm_that_may_need_most_trials_is_not_left_for_the_end() -> None:
    schedule = Schedule({"loser": 1.0, "winner": 1.0}, looks=[10, 50])
    for name in ("loser", "winner"):
        schedule.take(0.0)
        schedule.end(name, 1, 15.0 if name == "loser" else 5.0, counts=True)
    schedule.expect("loser", 3)
    schedule.expect("winner", 45)
    assert [name for name, _ in (schedule.take(15.0) or ("", 0) for _ in range(9))] == [
        "winner"
    ] * 9
    assert (schedule.take(15.0) or ("", 0))[0] == "loser"


def test_no_trial_is_begun_beyond_the_next_look() -> None:
    schedule = Schedule({"a": 1.0}, looks=[2, 5])
    assert begun(schedule) == [("a", 1), ("a", 2)]
    assert not schedule.end("a", 2, 1.0, counts=True)
    assert schedule.end("a", 1, 1.0, counts=True)
    assert schedule.take(1.0) is None
    schedule.look("a", decided=False)
    assert begun(schedule) == [("a", 3), ("a", 4), ("a", 5)]


def test_a_trial_that_does_not_count_is_made_up_for_at_once_while_any_is_left() -> None:
    schedule = Schedule({"a": 1.0}, looks=[2, 5])
    begun(schedule)
    assert not schedule.end("a", 1, 1.0, counts=False)
    assert begun(schedule) == [("a", 3)], "though another one runs"
    schedule.end("a", 2, 1.0, counts=True)
    assert schedule.end("a", 3, 2.0, counts=True)
    schedule.look("a", decided=False)
    assert begun(schedule) == [("a", 4), ("a", 5)], "no more than five in all"
    schedule.end("a", 4, 3.0, counts=False)
    assert schedule.end("a", 5, 3.0, counts=True)
    schedule.look("a", decided=False)
    assert schedule.is_done


def test_a_decided_arm_has_no_more_trials() -> None:
    schedule = Schedule({"a": 1.0}, looks=[1, 5])
    schedule.take(0.0)
    schedule.end("a", 1, 1.0, counts=True)
    schedule.look("a", decided=True)
    assert schedule.is_done
    assert schedule.take(1.0) is None


def test_an_arm_that_is_undecided_after_its_last_trial_has_ended() -> None:
    schedule = Schedule({"a": 1.0}, looks=[1])
    schedule.take(0.0)
    schedule.end("a", 1, 1.0, counts=True)
    schedule.look("a", decided=False)
    schedule.expect("a", 400)
    assert schedule.is_done


def test_a_trial_of_an_earlier_part_is_not_begun_again() -> None:
    schedule = Schedule({"a": 1.0}, looks=[3])
    schedule.end("a", 2, counts=True)
    assert begun(schedule) == [("a", 1), ("a", 3)]


def test_the_time_left_is_that_of_the_trials_that_may_decide_shared_by_those_at_once() -> None:
    schedule = Schedule({"a": 10.0}, looks=[2, 10, 20])
    assert schedule.left_s(0.0, at_once=2) == 10.0
    begun(schedule)
    schedule.end("a", 1, 4.0, counts=True)
    schedule.end("a", 2, 4.0, counts=True)
    schedule.look("a", decided=False)
    schedule.expect("a", 9)
    assert schedule.left_s(4.0, at_once=2) == 16.0


def test_a_trial_that_takes_longer_than_expected_needs_a_part_of_its_time_again() -> None:
    schedule = Schedule({"a": 10.0}, looks=[1])
    schedule.take(0.0)
    assert schedule.left_s(40.0, at_once=2) == 10.0

"""Which runs a check makes, in which order, at which scale, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from absences import shop

from crashloop.clock import TimeScale
from crashloop.durations import about, together_s
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import INCIDENTS, incident
from crashloop.model import OwnRemedy, Role, Scenario
from crashloop.survey.plan import (
    START_S,
    Planned,
    control_of,
    grouped,
    plan_dependencies,
    plan_incidents,
    plan_sample,
)
from crashloop.survey.progress import Progress

REAL_TIME_ONLY = shop(env={"DATABASE_URL": "{postgres.url}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Every run in its ordinary scale; incidents in `without` are beyond this machine."""

    without: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()

    def scale(self, ordinary: float) -> TimeScale:
        return TimeScale(factor=ordinary)

    def require(self, scenario: Scenario, scale: TimeScale) -> None:
        assert not (scenario.real_time_only and scale.factor > 1), scenario.incident
        if scenario.incident in self.without:
            raise CapabilityError("this machine has no such kernel")
        if scenario.incident in self.contradicted:
            raise UsageError("no")


def planned(name: str, **changes: Any) -> Planned:
    return replace(Planned(incident=name, title=name, params={}, expected_s=10.0), **changes)


def test_the_whole_library_is_planned_and_what_does_not_apply_comes_last_with_its_reason() -> None:
    found = plan_incidents(shop(), (), {}, Machine())
    assert {each.incident for each in found} == set(INCIDENTS)
    assert [bool(each.why) for each in found] == sorted(bool(each.why) for each in found)
    (redis,) = [each for each in found if each.incident == "cache-still-loading"]
    assert "redis" in redis.why


def test_a_database_that_hangs_comes_before_one_that_refuses() -> None:
    names = [each.incident for each in plan_incidents(shop(), (), {}, Machine())]
    assert names.index("issue-1278") < names.index("retry-longer-than-the-probe")


def test_an_incident_that_contradicts_the_entry_does_not_apply_while_others_do() -> None:
    one, other = "issue-1278", "retry-longer-than-the-probe"
    machine = Machine(contradicted=(other,))
    assert [each.why for each in plan_incidents(shop(), (one, other), {}, machine)] == ["", "no"]
    with pytest.raises(UsageError, match="no"):
        plan_incidents(shop(), (other,), {}, machine)


def test_what_this_machine_cannot_run_does_not_apply() -> None:
    (found,) = plan_incidents(shop(), ("issue-1278",), {}, Machine(without=("issue-1278",)))
    assert found.why == "this machine has no such kernel"


def test_a_parameter_goes_to_the_incidents_that_have_it_and_one_that_none_has_is_refused() -> None:
    found = plan_incidents(shop(), (), {"fault": "refuse"}, Machine())
    assert {each.incident for each in found if each.params} == {"issue-1278"}
    with pytest.raises(UsageError, match="none of the incidents has a parameter 'limits'"):
        plan_incidents(shop(), (), {"limits": "8"}, Machine())


def test_an_unknown_incident_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown incident 'issue-1287'"):
        plan_incidents(shop(), ("issue-1287",), {}, Machine())


def test_each_dependency_and_service_is_taken_away_in_three_ways() -> None:
    app = shop(dependencies=("postgres", "redis"), services={"mail": "127.0.0.1:9000"})
    found = plan_dependencies(app, Machine())
    assert [(each.target, each.way) for each in found[:4]] == [
        ("postgres", "refused"),
        ("postgres", "silent"),
        ("postgres", "slow"),
        ("redis", "refused"),
    ]
    assert {each.target for each in found} == {"postgres", "redis", "mail"}
    assert not any(each.why for each in found)


def test_a_dependency_is_away_for_a_few_starts_and_for_a_try_that_hangs() -> None:
    slow, quick = (plan_dependencies(shop(), Machine(), start_s=s)[0].params for s in (10.0, 0.1))
    assert slow["start_away_s"] == 10.0 * 4 * 20
    assert quick["start_away_s"] == 30.0
    assert quick["later_away_s"] == (5.0 + 2.0) * 20


def test_what_is_scaled_comes_before_what_runs_in_real_time_each_most_telling_first() -> None:
    runs = [
        planned("a", scale=1.0),
        planned("b", scale=5.0),
        planned("c", scale=20.0),
        planned("d", why="no"),
    ]
    groups = grouped(runs)
    assert [(group.scale, [each.incident for each in group.runs]) for group in groups] == [
        (20.0, ["b", "c"]),
        (1.0, ["a"]),
    ]


def test_the_control_is_that_of_the_most_telling_run_that_applies() -> None:
    runs = [planned("a", why="no"), planned("b", scale=5.0, remedy="x"), planned("c", scale=20.0)]
    control = control_of(runs)
    assert control is not None
    assert (control.incident, control.scale, control.role) == ("b", 5.0, Role.CONTROL)
    assert control.remedy == ""
    assert control_of(runs[:1]) is None


def test_a_remedy_is_in_place_in_each_run_and_one_that_is_unknown_is_refused() -> None:
    app = shop(remedies={"mine": OwnRemedy(env={"RETRY": "1"})})
    runs = plan_incidents(app, ("issue-1278",), {}, Machine(), remedy="mine")
    runs += plan_dependencies(app, Machine(), remedy="mine")
    assert {(run.role, run.remedy) for run in runs} == {(Role.REMEDY, "mine")}
    assert "--role remedy --remedy mine" in " ".join(runs[0].words("shop"))
    assert runs[0].digest(app) != planned("issue-1278", scale=20.0).digest(app)
    with pytest.raises(UsageError, match="no remedy 'other' for app shop"):
        plan_incidents(app, (), {}, Machine(), remedy="other")


def test_an_app_without_declared_times_is_planned_in_real_time_and_takes_longer() -> None:
    (fast,) = plan_incidents(shop(), ("issue-1278",), {}, Machine())
    (slow,) = plan_incidents(REAL_TIME_ONLY, ("issue-1278",), {}, Machine())
    assert (fast.scale, slow.scale) == (20.0, 1.0)
    assert fast.expected_s < 15
    assert slow.expected_s > 90


def test_an_app_with_a_limit_dies_at_it_and_one_that_is_refused_dies_at_once() -> None:
    def expected(name: str, **changes: Any) -> float:
        app = replace(shop(), **changes)
        (found,) = plan_incidents(app, (name,), {}, Machine())
        return found.expected_s

    limited = {"DATABASE_URL": "{postgres.url}", "LIMIT_S": "{limit_s}"}
    three_limits_s = 3 * 20.0 / 20
    assert 3 + three_limits_s < expected("issue-1278", env=limited) < 12 + three_limits_s
    assert expected("retry-longer-than-the-probe", env=limited) < 12


def test_a_control_that_starts_slowly_makes_the_runs_longer_by_their_starts() -> None:
    (run,) = plan_incidents(shop(), ("issue-1278",), {}, Machine())
    assert run.after_control(START_S).expected_s == run.expected_s
    later = run.after_control(START_S + 10.0)
    assert later.expected_s == pytest.approx(run.expected_s + 10.0 * run.starts)
    assert run.starts >= 1


def test_a_run_is_the_same_only_with_the_same_entry_parameters_and_scale() -> None:
    one = planned("issue-1278", scale=20.0)
    same = {one.digest(shop()), planned("issue-1278", scale=20.0).digest(shop())}
    others = {
        one.digest(shop(command=("other",))),
        planned("issue-1278", scale=1.0).digest(shop()),
        planned("issue-1278", scale=20.0, params={"limit_s": "8"}).digest(shop()),
        planned("issue-1278", scale=20.0, role=Role.CONTROL).digest(shop()),
    }
    assert len(same) == 1
    assert len(same | others) == 5


def test_the_words_of_a_run_are_those_that_a_user_would_type() -> None:
    run = planned("issue-1278", scale=5.0, params={"limit_s": "8"}, role=Role.CONTROL)
    assert " ".join(run.words("shop", "my.toml")) == (
        "reproduce issue-1278 --app shop --config my.toml --time-scale 5 --role control "
        "-p limit_s=8"
    )
    assert "--real-time" in planned("issue-1278").words("shop")


def test_a_run_without_a_dependency_is_found_by_its_name() -> None:
    assert incident("dependency:postgres:silent").title.startswith("without postgres")
    with pytest.raises(UsageError, match="takes no dependency away"):
        incident("dependency:postgres:gone")
    with pytest.raises(UsageError, match="needs an app of your own"):
        incident("dependency:postgres:slow").scenario()


def test_the_time_left_follows_what_the_runs_before_have_taken() -> None:
    progress = Progress(at_once=lambda _: 2)
    runs = [planned(name, scale=20.0) for name in "abcd"]
    progress.plan(runs)
    assert progress.left_s(0.0) == 20.0
    progress.start(runs[0], 0.0)
    progress.start(runs[1], 0.0)
    progress.finish(runs[0], 20.0)  # twice as long as expected
    assert progress.left_s(20.0) == (5 + 20 + 20) / 2
    assert progress.words(20.0) == "1 of 4 runs done, about 20 s left"


def test_runs_of_the_same_kind_say_more_about_a_run_than_others() -> None:
    progress = Progress(at_once=lambda _: 1)
    slow, other, quick = planned("a", way="slow"), planned("b", way="slow"), planned("c")
    progress.plan([slow, quick, other])
    for run, took_s in ((slow, 30.0), (quick, 10.0)):
        progress.start(run, 0.0)
        progress.finish(run, took_s)
    assert progress.left_s(30.0) == 30.0


def test_a_run_that_takes_longer_than_expected_never_seems_to_be_over() -> None:
    progress = Progress(at_once=lambda _: 1)
    progress.plan([planned("a")])
    progress.start(planned("a"), 0.0)
    left = [progress.left_s(now_s) for now_s in (0.0, 5.0, 100.0, 200.0)]
    assert left == [10.0, 5.0, 25.0, 50.0]


def test_a_quick_control_and_a_quick_run_do_not_promise_a_quick_end() -> None:
    progress = Progress(at_once=lambda _: 1)
    control, runs = planned("a", role=Role.CONTROL), [planned("a"), planned("b")]
    progress.plan([control, *runs])
    for run in (control, runs[0]):
        progress.start(run, 0.0)
        progress.finish(run, 0.1)
    assert progress.left_s(0.1) == 5.0


def test_runs_that_are_made_at_once_take_no_less_than_the_longest_of_them() -> None:
    assert together_s([10.0, 10.0, 300.0], 4) == 300.0
    assert together_s([10.0, 10.0, 10.0, 10.0], 2) == 20.0


def test_what_an_earlier_check_has_made_takes_no_time() -> None:
    progress = Progress(at_once=lambda _: 1)
    progress.plan([planned("a"), planned("b")])
    progress.skip(planned("a"))
    assert progress.words(0.0) == "0 of 1 run done, about 10 s left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "about 5 s"), (43.0, "about 45 s"), (170.0, "about 3 min")]
)
def test_a_time_is_promised_in_round_numbers(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_run_that_is_made_again_is_not_done() -> None:
    progress = Progress(at_once=lambda _: 1)
    progress.plan([planned("a")])
    for now_s in (0.0, 10.0):
        progress.start(planned("a"), now_s)
        progress.finish(planned("a"), now_s + 10.0)
        assert progress.words(now_s + 10.0) == "1 of 1 run done"
        progress.start(planned("a"), now_s + 10.0)
        assert progress.words(now_s + 10.0) == "0 of 1 run done, about 10 s left"


def test_runs_of_the_sample_app_name_no_app_and_say_what_cannot_run_here() -> None:
    names = ("issue-1278", "fault:hold", "slots-exhausted-at-scale-out")
    machine = Machine(without=(names[1],), contradicted=(names[2],))
    runs = plan_sample(names, machine)
    assert [each.why for each in runs] == ["", "this machine has no such kernel", "no"]
    assert " ".join(runs[0].words()) == "reproduce issue-1278 --time-scale 20"
    assert runs[0].expected_s > 0


def test_an_outage_that_an_app_may_outlive_is_taken_to_last_until_its_latest_heal() -> None:
    (run,) = plan_incidents(shop(), ("workers-times-pool",), {}, Machine())
    assert run.expected_s > 60.0


def test_an_outage_that_lasts_until_its_platform_gives_up_lasts_for_its_restarts() -> None:
    (run,) = plan_incidents(shop(), ("name-does-not-resolve-for-ever",), {}, Machine())
    assert run.expected_s < 30

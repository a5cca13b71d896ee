"""What two engines tell of one scenario: no difference is overlooked, and the page says so."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import changed, moved, tampered, without
from crashloop_traces import NAME_ERROR, control, reproduction
from docker_cases import docker_reproduction
from parity.cases import Case
from parity.page import DIFFERENCES, page, row
from parity.tale import Tale, Times, differences, tale_of, time_differences, times_of

from crashloop.judge import judge
from crashloop.model import Finding, Judgement, Role, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.trace.event import Trace

TALE = Tale(
    verdict="REPRODUCED",
    attempts=2,
    exits=(3,),
    lasts=("database",),
    errors=("TimeoutError <- CancelledError",),
    order=("process.started of attempt 1", "process.started of attempt 2"),
    healed_in_time=True,
    recovered=True,
    golden_path=True,
)
OTHERWISE: dict[str, Any] = {
    "verdict": "NOT_REPRODUCED",
    "attempts": 3,
    "exits": (1,),
    "lasts": ("cache",),
    "errors": ("OSError",),
    "order": ("process.started of attempt 2", "process.started of attempt 1"),
    "healed_in_time": False,
    "recovered": False,
    "golden_path": False,
}
CASE = Case(incident="issue-1278", role=Role.REPRODUCTION, params=(("fault", "refuse"),))


def told(trace: Trace) -> Tale:
    return tale_of(trace, judge(trace))


# Stories


def test_a_story_differs_in_nothing_from_itself() -> None:
    assert differences(TALE, replace(TALE)) == []


@pytest.mark.parametrize("name", [field.name for field in fields(Tale)])
def test_a_difference_in_any_one_part_is_found_and_named(name: str) -> None:
    (found,) = differences(TALE, replace(TALE, **{name: OTHERWISE[name]}))

    assert found.startswith(f"{name}: ")


def test_every_difference_is_found_and_not_the_first_alone() -> None:
    found = differences(TALE, Tale(**OTHERWISE))

    assert [each.partition(":")[0] for each in found] == [field.name for field in fields(Tale)]


@pytest.mark.parametrize("name", ["exits", "lasts", "errors", "order"])
def test_a_list_that_is_shorter_on_one_engine_is_a_difference(name: str) -> None:
    whole = getattr(TALE, name)
    (found,) = differences(TALE, replace(TALE, **{name: whole[:-1]}))

    assert found == f"{name}: {len(whole)} and {len(whole) - 1} of them"


def test_of_long_lists_the_first_place_is_said_at_which_they_part() -> None:
    one, other = replace(TALE, exits=(3, 3, 1)), replace(TALE, exits=(3, 137, 0))

    assert differences(one, other) == ["exits: 3 and 137 at place 2"]


def test_an_exit_code_that_is_missing_is_not_an_exit_code_of_zero() -> None:
    assert differences(replace(TALE, exits=(None,)), replace(TALE, exits=(0,)))


# From traces to stories


def test_a_story_is_told_from_the_trace_and_its_judgement() -> None:
    tale = told(reproduction())

    assert (tale.verdict, tale.attempts, tale.exits) == ("REPRODUCED", 4, (3, 3, 3))
    assert tale.lasts == ("database",) * 3
    assert tale.errors == ("TimeoutError <- CancelledError",) * 3
    assert (tale.healed_in_time, tale.recovered, tale.golden_path) == (True, True, True)
    assert "phase.failed database of attempt 2" in tale.order


def test_docker_without_a_schedule_of_restarts_tells_the_same_story() -> None:
    assert differences(told(reproduction()), told(docker_reproduction())) == []


def test_a_control_run_tells_of_no_death_and_no_heal() -> None:
    tale = told(control())

    assert (tale.exits, tale.lasts, tale.errors) == ((), (), ())
    assert (tale.attempts, tale.healed_in_time) == (1, False)


@pytest.mark.parametrize("holds", [True, False, None])
@pytest.mark.parametrize("check", ["recovered", "golden_path"])
def test_only_what_a_check_has_found_is_told_as_so(check: str, holds: bool | None) -> None:
    finding = Finding(check=check, role="expect", holds=holds, says="")
    judgement = Judgement(verdict=Verdict.REPRODUCED, reason="", findings=(finding,))

    assert getattr(tale_of(reproduction(), judgement), check) is (holds is True)


BROKEN: dict[str, tuple[str, Callable[[Trace], Trace]]] = {
    "another exit code": ("exits", lambda t: changed(t, "process.exited", attempt=2, exit_code=1)),
    "a death by a signal": (
        "exits",
        lambda t: changed(t, "process.exited", attempt=2, exit_code=None, signal="SIGKILL"),
    ),
    "a life less": ("attempts", lambda t: without(t, "process.started", attempt=4)),
    "another last phase": (
        "lasts",
        lambda t: tampered(t, "phase.failed", attempt=1, phase="cache"),
    ),
    "no last phase": ("lasts", lambda t: without(t, "phase.failed", attempt=1)),
    "another error": ("errors", lambda t: changed(t, "phase.failed", attempt=3, error=NAME_ERROR)),
    "another order": ("order", lambda t: moved(t, "baseline.passed", 2)),
    "a heal before the last death": (
        "healed_in_time",
        lambda t: moved(t, "fault.healed", -1),
    ),
    "a heal after the next try": ("healed_in_time", lambda t: moved(t, "fault.healed", 1)),
    "no heal": ("healed_in_time", lambda t: without(t, "fault.healed")),
    "no recovery": ("recovered", lambda t: without(t, "probe.answered")),
    "no golden path": ("golden_path", lambda t: without(t, "golden.row")),
    "no verdict of this kind": ("verdict", lambda t: without(t, "link.held")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_that_went_otherwise_tells_another_story(what: str) -> None:
    name, otherwise = BROKEN[what]

    found = differences(told(reproduction()), told(otherwise(reproduction())))

    assert name in {each.partition(":")[0] for each in found}


# Times


def times(**given: Any) -> Times:
    every: dict[str, Any] = {"waits_s": (4.0,), "lives_s": (10.0,), "recovery_s": 10.0}
    return Times(**{**every, **given})


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (times(waits_s=(5.1,)), "phase database took 4.00 s and 5.10 s, over 1.25 x"),
        (times(waits_s=(3.1,)), "phase database took 4.00 s and 3.10 s, over 1.25 x"),
        (times(lives_s=(41.0,)), "a life took 10.00 s and 41.00 s, over 4 x"),
        (times(lives_s=(2.4,)), "a life took 10.00 s and 2.40 s, over 4 x"),
        (times(recovery_s=41.0), "heal to golden path took 10.00 s and 41.00 s, over 4 x"),
        (times(recovery_s=0.0), "heal to golden path took 10.00 s and 0.00 s, over 4 x"),
    ],
)
def test_times_that_lie_too_far_apart_are_named_on_either_side(other: Times, what: str) -> None:
    assert time_differences(times(), other) == [what]


@pytest.mark.parametrize(
    "other", [times(), times(waits_s=(5.0,)), times(lives_s=(40.0,)), times(recovery_s=2.5)]
)
def test_times_within_the_factors_are_alike(other: Times) -> None:
    assert time_differences(times(), other) == []


def test_times_of_real_work_alone_are_alike_however_they_differ() -> None:
    one = times(waits_s=(0.01,), lives_s=(0.1,), recovery_s=0.1)
    other = times(waits_s=(1.8,), lives_s=(5.9,), recovery_s=5.9)

    assert time_differences(one, other) == []


def test_a_later_wait_or_life_is_compared_as_well() -> None:
    one = times(waits_s=(4.0, 4.0), lives_s=(10.0, 10.0))
    other = times(waits_s=(4.0, 9.0), lives_s=(10.0, 99.0))

    assert len(time_differences(one, other)) == 2


def test_a_run_without_a_recovery_has_no_time_of_it_to_compare() -> None:
    assert time_differences(times(), times(recovery_s=None)) == []


def test_times_are_read_from_the_trace() -> None:
    found = times_of(reproduction())

    assert found.waits_s == (1.001, 1.001, 1.001, 0.03)
    assert len(found.lives_s) == 4
    assert found.recovery_s is not None
    assert 0 < found.recovery_s < 2


def test_a_trace_without_a_heal_has_no_time_of_recovery() -> None:
    assert times_of(control()).recovery_s is None


# The page


def test_a_story_that_both_tell_is_a_row_of_the_table() -> None:
    assert row(CASE, {"local": TALE, "docker": replace(TALE)}) == (
        "| issue-1278, fault=refuse | REPRODUCED | 2 | 3 | database | "
        "TimeoutError <- CancelledError | yes | yes |"
    )


def test_a_story_without_deaths_says_none() -> None:
    calm = replace(TALE, exits=(), lasts=(), errors=(), recovered=False, golden_path=False)

    assert row(CASE, {"local": calm, "docker": calm}).endswith("| 2 | none | - | - | no | no |")


@pytest.mark.parametrize("name", [field.name for field in fields(Tale)])
def test_a_story_that_differs_in_any_part_is_no_row_of_the_table(name: str) -> None:
    other = replace(TALE, **{name: OTHERWISE[name]})

    assert row(CASE, {"local": TALE, "docker": other}) == (
        "- issue-1278, fault=refuse: told differently"
    )


@pytest.mark.parametrize("engine", ["local", "docker"])
def test_a_case_of_one_engine_says_which_cannot_do_it_and_why(engine: str) -> None:
    tales: dict[str, Tale | str] = {"local": TALE, "docker": TALE, engine: "it has no such fault"}

    assert row(CASE, tales) == f"- issue-1278, fault=refuse: not on {engine}. It has no such fault."


def test_the_page_has_the_rows_then_what_is_on_one_engine_then_the_differences() -> None:
    alone = Case(incident="issue-1278", role=Role.CONTROL)
    both = {"local": TALE, "docker": TALE}

    lines = page({CASE: both, alone: {"local": TALE, "docker": "no"}}).splitlines()

    at = [
        lines.index(row(CASE, both)),
        lines.index("On one engine only:"),
        lines.index("- issue-1278, control: not on docker. No."),
        lines.index("## What differs, and why"),
    ]
    assert at == sorted(at)
    assert sum(d.why in line for d in DIFFERENCES for line in lines) == len(DIFFERENCES)


def test_a_page_of_stories_that_both_tell_has_no_list_of_others() -> None:
    assert "On one engine only" not in page({CASE: {"local": TALE, "docker": TALE}})

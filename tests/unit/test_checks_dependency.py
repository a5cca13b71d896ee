"""How much an app needs a dependency, by what it did without it."""

from __future__ import annotations

import pytest
from absences import absence, shop
from crashloop_cases import Case, cases
from crashloop_traces import CONTROL

from crashloop.checks.dependency import Need, needed_at_start, needed_later
from crashloop.model import Journey

TARGET = "postgres"

CASES = [
    *cases(
        "dependency_needed",
        params={"target": TARGET},
        holds={
            "an app that dies without it has shown that it needs it": (
                absence(dies=True, tries=(False,)),
                "postgres is hard at start (the app exited with 3",
            ),
            "an app that is ready without it has shown it, too": (
                absence(),
                "soft at start",
            ),
        },
        saw_nothing={
            "a run in which it was never taken away": (CONTROL, "it was not taken away"),
        },
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    case.run()


def test_an_app_that_is_not_ready_while_it_is_away_needs_it() -> None:
    found = needed_at_start(absence(ready=False), TARGET)
    assert (found.need, found.why[:27]) == (Need.HARD, "the app was not ready withi")


def test_an_app_that_connects_to_it_after_its_start_alone_does_not_use_it_at_start() -> None:
    trace = absence(used_at_start=False)
    assert needed_at_start(trace, TARGET).need is Need.UNUSED
    assert needed_later(trace, TARGET).need is Need.SOFT


def test_what_the_control_life_never_connected_to_is_unused() -> None:
    trace = absence(used_at_start=False, used_later=False)
    assert needed_at_start(trace, TARGET).need is Need.UNUSED
    assert needed_later(trace, TARGET).need is Need.UNUSED


def test_a_journey_that_fails_without_it_needs_it_and_is_quoted() -> None:
    found = needed_later(absence(tries=(True, False)), TARGET)
    assert found.need is Need.HARD
    assert found.why == "its journey failed: POST /orders: answered 500, not 200"


def test_an_app_that_dies_without_it_later_needs_it_even_without_a_journey() -> None:
    app = shop(journey=Journey())
    found = needed_later(absence(app=app, tries=(), dies_later=True), TARGET)
    assert (found.need, found.why) == (Need.HARD, "the app exited with 3")


def test_without_a_journey_its_need_at_run_time_is_unknown() -> None:
    found = needed_later(absence(app=shop(journey=Journey()), tries=()), TARGET)
    assert (found.need, found.why) == (Need.UNKNOWN, "give a journey that uses it")


def test_an_app_that_never_works_again_leaves_the_run_time_unknown() -> None:
    found = needed_later(absence(dies=True, again=False), TARGET)
    assert (found.need, found.why) == (Need.UNKNOWN, "the app did not work again after its start")


def test_no_try_that_ended_shows_nothing() -> None:
    assert needed_later(absence(tries=()), TARGET).need is Need.UNKNOWN

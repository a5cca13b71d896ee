"""Checks of whether a user of the app got through the whole journey, and which lives failed one."""

from dataclasses import replace
from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, one, sealed, with_scenario, without
from crashloop_traces import CONTROL, REPRODUCTION, control

from crashloop.trace.event import Trace

THREE = control(replicas=3)


def without_steps(trace: Trace, *numbers: int, replica: int = 1) -> Trace:
    left = [
        e
        for e in trace.events
        if not (e.kind == "journey.step" and e.data["step"] in numbers and e.replica == replica)
    ]
    return sealed(trace, left)


def with_another_key(number: int) -> Trace:
    return sealed(
        CONTROL,
        [
            replace(e, data={**e.data, "key": "another"}) if e.data.get("step") == number else e
            for e in CONTROL.events
        ],
    )


FAILED = inserted(
    without_steps(CONTROL, 3), one(CONTROL, "journey.step"), "harness", "journey.failed",
    attempt=1, why="step 3, the query of postgres: gave 0, not 1",
)  # fmt: skip
OF_THE_APP = inserted(
    without_steps(CONTROL, 3), one(CONTROL, "startup.completed"), "app", "journey.step",
    attempt=1, **{**one(CONTROL, "journey.step").data, "step": 3},
)  # fmt: skip
REFUSED = without(CONTROL, "journey.step")
for why, answered in (("answered 500", True), ("answered 403", True), ("ConnectError", False)):
    REFUSED = inserted(
        REFUSED, REFUSED.events[-2], "harness", "journey.waiting", attempt=1, step=1, of=3,
        why=f"WebSocket /ws/chat: {why}", answered=answered,
    )  # fmt: skip
NOT_FOUND: dict[str, Any] = {"ready": False, "status_code": 404, "answer": {}}


def failing() -> Trace:
    """In each attempt that dies, the first step of the journey does not pass."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "harness", "journey.waiting", attempt=attempt, step=1, of=3,
            why="WebSocket /ws/chat: the connection ended before an answer", answered=False,
        )  # fmt: skip
    return trace


def tried(*, passed: bool) -> Trace:
    """Each attempt that dies is tried by a journey that is taken again and again."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "harness", "journey.tried", attempt=attempt, number=1, passed=passed
        )
    return trace


IN_VAIN = failing()

CASES = [
    *cases(
        "journey_passed",
        holds={
            "every step passed": (
                CONTROL,
                "the journey passed: WebSocket /ws/chat answered; GET /messages answered",
            ),
            "every step of each replica passed": (THREE, "in each of 3 replicas, the journey"),
        },
        refuted={
            "a step with another key is one of another journey": (
                with_another_key(3),
                "step 3 of 3 of the journey never passed",
            ),
            "a step in between that did not pass": (
                without_steps(CONTROL, 2),
                "step 2 of 3 of the journey never passed",
            ),
            "a step of one replica that did not pass": (
                without_steps(THREE, 3, replica=2),
                "in replica 2, step 3 of 3 of the journey never passed",
            ),
            "a step that the app itself logs": (
                OF_THE_APP,
                "step 3 of 3 of the journey never passed",
            ),
            "fewer steps than the scenario has, whatever they claim": (
                changed(without_steps(CONTROL, 2, 3), "journey.step", of=1),
                "step 2 of 3 of the journey never passed",
            ),
            "no step": (without(CONTROL, "journey.step"), "no step of the journey passed"),
            "a step that the app refused until it was stopped": (
                REFUSED,
                "step 1 of 3 of the journey never passed: WebSocket /ws/chat: answered 403",
            ),
            "a failure in the user's words": (
                FAILED,
                "the journey failed: step 3, the query of postgres: gave 0, not 1",
            ),
        },
        saw_nothing={
            "no step, and no ready path either": (
                changed(without(CONTROL, "journey.step"), "ready.answered", **NOT_FOUND),
                "GET /health/ready answered 404",
            ),
            "an app without a journey": (
                with_scenario(CONTROL, app={"journey": {"steps": []}}),
                "the app has no journey",
            ),
        },
    ),
    *cases(
        "users_failed",
        params={"failed": True},
        holds={
            "a step did not pass in each attempt that died": (
                IN_VAIN,
                "each of 3 attempts that died failed its user",
            ),
            "tries of a journey count, too": (tried(passed=False), "failed its user"),
        },
        refuted={
            "no step was taken": (REPRODUCTION, "attempt 1 failed no user before it died"),
            "no step was taken in one attempt": (
                without(IN_VAIN, "journey.waiting", attempt=2),
                "attempt 2 failed no user before it died",
            ),
            "every try passed": (tried(passed=True), "attempt 1 failed no user"),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "nobody looked": (
                without(IN_VAIN, "port.watched", attempt=2),
                "nobody looked at the port of attempt 2",
            ),
            "an app without a journey": (
                with_scenario(IN_VAIN, app={"journey": {"steps": []}}),
                "the app has no journey",
            ),
        },
    ),
    *cases(
        "users_failed",
        params={"failed": False},
        holds={"no step was taken": (REPRODUCTION, "each of 3 attempts that died failed no user")},
        refuted={
            "a step did not pass in one attempt": (
                without(
                    without(IN_VAIN, "journey.waiting", attempt=1), "journey.waiting", attempt=3
                ),
                "attempt 2 failed its user: WebSocket /ws/chat: the connection ended",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()

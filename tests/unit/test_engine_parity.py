"""The outcome that both engines must share: nothing that differs is overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import changed, moved, tampered, without
from crashloop_traces import NAME_ERROR, reproduction
from docker_cases import docker_reproduction
from engine_parity import outcome

from crashloop.judge import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.trace.event import Trace


def outcome_of(trace: Trace) -> dict[str, Any]:
    return outcome(trace, judge(trace))


def test_docker_without_a_schedule_of_restarts_has_the_same_outcome() -> None:
    assert outcome_of(docker_reproduction()) == outcome_of(reproduction())


def test_a_death_by_a_signal_is_what_docker_says_of_it() -> None:
    by_signal, by_docker = (
        changed(reproduction(), "process.exited", attempt=2, **how)
        for how in ({"exit_code": None, "signal": "SIGKILL"}, {"exit_code": 137})
    )

    assert outcome_of(by_signal)["exits"] == outcome_of(by_docker)["exits"]


DIFFERENT: dict[str, tuple[str, Callable[[Trace], Trace]]] = {
    "another exit code": ("exits", lambda t: changed(t, "process.exited", attempt=2, exit_code=1)),
    "a death by a signal": (
        "exits",
        lambda t: changed(t, "process.exited", attempt=2, exit_code=None, signal="SIGKILL"),
    ),
    "one finding of a check less": (
        "findings",
        lambda t: changed(t, "database.backends", attempt=1, count=1),
    ),
    "one attempt less": ("attempts", lambda t: without(t, "process.started", attempt=4)),
    "another last phase": (
        "last phases",
        lambda t: tampered(t, "phase.failed", attempt=1, phase="cache"),
    ),
    "no last phase": ("last phases", lambda t: without(t, "phase.failed", attempt=1)),
    "another error": ("errors", lambda t: changed(t, "phase.failed", attempt=3, error=NAME_ERROR)),
    "no baseline": ("baselines", lambda t: without(t, "baseline.passed")),
    "another order": ("order", lambda t: moved(t, "baseline.passed", 2)),
    "a heal before the last death": (
        "healed between death and next try",
        lambda t: moved(t, "fault.healed", -1),
    ),
    "a heal after the next try": (
        "healed between death and next try",
        lambda t: moved(t, "fault.healed", 1),
    ),
    "no recovery": ("findings", lambda t: without(t, "ready.answered")),
    "no journey": ("findings", lambda t: without(t, "journey.step")),
    "no receipt": ("verdict", lambda t: without(t, "link.held")),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_run_that_differs_has_another_outcome(what: str) -> None:
    name, change = DIFFERENT[what]
    expected, found = outcome_of(reproduction()), outcome_of(change(reproduction()))

    assert found[name] != expected[name]

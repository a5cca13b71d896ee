"""Distinguish what the harness does to a container from what somebody else does."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from docker_cases import container_event

from crashloop.engines.docker.interference import Interference

if TYPE_CHECKING:
    from crashloop.engines.docker.events import ContainerEvent


def now(action: str, role: str = "postgres") -> ContainerEvent:
    return replace(
        container_event(action, at_s=0, role=role, exit_code=0), mono_ns=time.monotonic_ns()
    )


@pytest.mark.parametrize("action", ["kill", "pause", "destroy"])
def test_what_nobody_here_did_was_done_by_somebody_else(action: str) -> None:
    assert "by somebody else" in Interference().what(now(action), is_app=False)


def test_a_server_that_dies_is_named_and_an_app_that_dies_is_not() -> None:
    interference = Interference()

    assert interference.what(now("die"), is_app=False) == "died"
    assert interference.what(now("die", "app"), is_app=True) == ""


@pytest.mark.parametrize("action", ["kill", "pause", "die"])
def test_what_is_done_here_is_no_interference_even_if_it_is_reported_later(action: str) -> None:
    interference = Interference()
    with interference.ours("postgres"):
        during = now(action)
        assert interference.what(during, is_app=False) == ""

    assert interference.what(during, is_app=False) == ""


def test_the_same_before_or_after_it_or_to_another_container_is_interference() -> None:
    interference = Interference()
    before = now("pause")
    with interference.ours("postgres"):
        other = now("pause", "redis")
    after = now("pause")

    for event in (before, other, after):
        assert interference.what(event, is_app=False)

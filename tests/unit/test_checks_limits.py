"""A life that died of its own limit: how long it waited for a dependency that a fault held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from crashloop_traces import reproduction

from crashloop.checks.limits import died_at_own_limit

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def released(trace: Trace, reason: str) -> Trace:
    """The trace with another reason why connections were not held any longer."""
    events = tuple(
        replace(each, data={**each.data, "reason": reason})
        if each.kind == "link.released"
        else each
        for each in trace.events
    )
    return replace(trace, events=events)


def test_lives_that_gave_up_a_held_connection_and_died_did_so_at_a_limit_of_their_own() -> None:
    result = died_at_own_limit(reproduction(), target="postgres", times=3)
    assert result.holds, result.says


@pytest.mark.parametrize("reason", ["healed", "delay"])
def test_a_life_whose_connection_the_fault_let_go_gave_nothing_up(reason: str) -> None:
    result = died_at_own_limit(released(reproduction(), reason), target="postgres", times=3)
    assert result.holds is False
    assert "without having waited for postgres" in result.says

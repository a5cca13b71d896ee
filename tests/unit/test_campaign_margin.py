"""Trials that a twentieth of a limit decided."""

import pytest
from crashloop_edits import changed, moved
from crashloop_traces import REPRODUCTION, reproduction

from crashloop.campaign.measure import measured
from crashloop.trace.event import Trace


def completed_after(share: float) -> Trace:
    """The last life's phase took this share of its limit of 1 s."""
    took = changed(REPRODUCTION, "phase.completed", attempt=4, phase="database", duration_s=share)
    return moved(took, "phase.started", -share, attempt=4, phase="database")


def held_for(hold_s: float, *, trace: Trace = REPRODUCTION, attempt: int = 2) -> Trace:
    """A connection of the attempt would have been held so long, under a limit of 1 s."""
    return changed(trace, "link.held", attempt=attempt, hold_s=hold_s)


@pytest.mark.parametrize(("share", "near"), [(0.5, False), (0.94, False), (0.96, True)])
def test_a_phase_that_completes_close_to_its_limit_is_near_it(share: float, near: bool) -> None:
    trial = measured(completed_after(share))
    assert bool(trial.near_limit) is near
    if near:
        assert trial.near_limit == ("phase database of attempt 4 took 96.0% of its limit of 20 s",)
        assert not trial.counts


@pytest.mark.parametrize(("hold_s", "near"), [(1.02, True), (1.5, False), (30.0, False)])
def test_a_phase_is_near_its_limit_if_its_connection_would_soon_have_come(
    hold_s: float, near: bool
) -> None:
    assert bool(measured(held_for(hold_s)).near_limit) is near


def test_where_nothing_says_how_long_a_connection_is_held_no_trial_is_near() -> None:
    assert measured(REPRODUCTION).near_limit == ()


def test_a_phase_that_had_still_to_open_connections_is_not_near_its_limit() -> None:
    two = reproduction(warm_connections=2)
    assert measured(held_for(1.02, trace=two)).near_limit == ()


def test_the_limit_of_another_phase_counts_as_well() -> None:
    trace = changed(REPRODUCTION, "phase.completed", attempt=4, phase="cache", limit_s=0.001)
    assert "phase cache of attempt 4" in measured(trace).near_limit[0]

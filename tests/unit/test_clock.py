"""The time scale: the incident's seconds and this clock's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.clock import DEFAULT_SCALE, MAX_SCALE, TimeScale, rfc3339
from crashloop.errors import UsageError


def test_the_default_is_twenty_times_faster() -> None:
    assert TimeScale().wall_s(20.0) == 1.0
    assert TimeScale().incident_s(1.0) == 20.0
    assert DEFAULT_SCALE == 20.0


def test_at_scale_1_the_incidents_seconds_pass_as_they_are() -> None:
    real = TimeScale(factor=1.0)
    assert real.is_real_time
    assert real.wall_s(31.115) == 31.115
    assert not TimeScale().is_real_time


@given(factor=st.floats(1.0, MAX_SCALE), seconds=st.floats(0, 1e6))
def test_converting_there_and_back_gives_the_same_time(factor: float, seconds: float) -> None:
    scale = TimeScale(factor=factor)
    assert scale.incident_s(scale.wall_s(seconds)) == pytest.approx(seconds)
    assert scale.wall_s(seconds) <= seconds


@pytest.mark.parametrize("factor", [0.0, -20.0, 0.999, 1000.1, float("inf"), float("nan")])
def test_a_scale_outside_its_bounds_is_refused_with_what_to_do(factor: float) -> None:
    with pytest.raises(UsageError, match=r"outside 1 to 1000(?s:.)*--real-time"):
        TimeScale(factor=factor)


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    assert rfc3339(1_757_894_400_000_001_000) == "2025-09-15T00:00:00.000001+00:00"
    assert rfc3339().endswith("+00:00")

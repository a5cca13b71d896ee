"""The time scale of each incident leaves a busy machine the time that it needs."""

from __future__ import annotations

import pytest

from crashloop.checks.scale import MAX_WORK_OF_LIMIT
from crashloop.clock import TimeScale
from crashloop.incidents import INCIDENTS
from crashloop.model import Role

START_S = 8.0
"""Measured: a start of the sample app on two cores with a load of 18 to 20."""


@pytest.mark.parametrize("name", sorted(INCIDENTS))
def test_a_start_on_a_busy_machine_is_short_beside_what_the_probes_allow(name: str) -> None:
    one = INCIDENTS[name]
    platform, scale = one.scenario(Role.CONTROL).platform, TimeScale(factor=one.time_scale)
    for probe, share in ((platform.startup, MAX_WORK_OF_LIMIT), (platform.liveness, 0.5)):
        if probe is not None:
            allowed_s = scale.wall_s(probe.delay_s + probe.period_s * probe.failures)
            assert share * allowed_s >= START_S

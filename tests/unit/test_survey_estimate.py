"""How long a run may take, from its scenario alone."""

from __future__ import annotations

import pytest
from absences import shop

from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.model import Role
from crashloop.survey.estimate import OVERHEAD_S, expected_s

START_S = 1.0


@pytest.mark.parametrize("kind", ["other_port", "loopback_only"])
@pytest.mark.parametrize("own", [True, False], ids=["an own app", "the sample app"])
def test_each_life_that_is_never_found_ready_lasts_until_its_probe_kills_it(
    kind: str, *, own: bool
) -> None:
    app = shop(command=("serve", "{host}", "{port}")) if own else None
    scenario = incident(f"fault:{kind}").scenario(Role.REPRODUCTION, app)
    probe = scenario.platform.startup
    assert probe is not None
    scale = TimeScale(factor=10.0)
    lives_s = 2 * scale.wall_s(probe.period_s * probe.failures)
    assert expected_s(scenario, scale, START_S) > OVERHEAD_S + lives_s

"""How long the users of a run's replicas are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_engine import FakeEngine
from journeys import App, of, recorder

from crashloop.before import Before
from crashloop.clock import TimeScale
from crashloop.control import Healthy
from crashloop.engines.base import Setup
from crashloop.healing import recovery_wall_s
from crashloop.incidents import incident
from crashloop.journey import Draws, TryCount
from crashloop.model import AppUnderTest, Life, RequestStep, Role, SqlStep
from crashloop.users import Users

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Step
    from crashloop.trace.recorder import Recorder

SHOP = AppUnderTest(name="shop", command=("serve",), timers=("T",), env={"T": "1"})

ON_KUBERNETES = incident("issue-1278").scenario(Role.REPRODUCTION, SHOP, platform="kubernetes")


def users(
    folder: Path,
    *,
    factor: float,
    start_s: float,
    steps: tuple[Step, ...] = (),
    events: Recorder | None = None,
) -> Users:
    events = events or recorder()
    setup = Setup(
        scenario=ON_KUBERNETES,
        seed=7,
        scale=TimeScale(factor=factor),
        recorder=events,
        artifacts=folder,
    )
    before = Before(steps=tuple((step, 1) for step in steps), key="k")
    return Users(
        setup,
        FakeEngine(events, ()),
        tries=TryCount(SHOP.journey, draws=Draws(7), recorder=events),
        healthy=Healthy(start_s=start_s, before=before),
    )


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_the_run_lasts_until_a_slow_app_had_its_time_to_recover(
    tmp_path: Path, factor: float
) -> None:
    slow_s, scale = 150.0, TimeScale(factor=factor)
    recovery_s = recovery_wall_s(ON_KUBERNETES, scale, start_s=slow_s)
    latest_heal_s = scale.wall_s(90.0)
    assert users(tmp_path, factor=factor, start_s=slow_s).deadline_wall_s() >= (
        latest_heal_s + recovery_s
    )


def test_the_data_of_each_step_may_be_looked_for_as_long_as_the_step_says(tmp_path: Path) -> None:
    read = RequestStep(method="GET", path="/orders", contains="{key}", within_s=60.0)
    count = SqlStep(sql="select 1", equals=1, within_s=5.0)
    given = users(tmp_path, factor=1.0, start_s=1.0, steps=(read, count))
    assert given.data_wall_s() == 65.0


async def test_an_instance_of_the_old_revision_is_not_asked_for_the_data(tmp_path: Path) -> None:
    read = RequestStep(method="GET", path="/orders")
    events = recorder()
    given = users(tmp_path, factor=1.0, start_s=1.0, steps=(read,), events=events)
    async with App().answers("/orders").serve(Life(2, 1)) as old:
        await given.visit(old)  # it has no visitor, so this does not wait for its end
        await given.check_data()
    (checked,) = of(events, "before.checked")
    assert (checked.life, checked.data["checked"]) == (None, 0)

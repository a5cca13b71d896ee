"""When a run is made again at a smaller time scale, and when it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from canned_machine import TOO_FAST, CannedMachine
from crashloop_traces import CONTROL, reproduction

from crashloop import slower
from crashloop.checks.scale import unfair_scale
from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.model import Role, Verdict
from crashloop.options import RunOptions
from crashloop.slower import run_fairly
from crashloop.testing import Lab
from crashloop.testing.lab import Settings

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = incident("issue-1278").scenario(Role.CONTROL)


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(scale=TimeScale(factor=40.0), artifacts=tmp_path / "run", slower=2)


async def test_a_run_whose_scale_is_too_large_is_made_again_at_the_largest_usable_one(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    machine = CannedMachine(monkeypatch, TOO_FAST, CONTROL)

    run = await run_fairly(SCENARIO, options)

    assert machine.scales == [40.0, 10.0]
    assert machine.folders == ["run", "run-slower-1"]
    assert (run.verdict, run.artifacts.name) == (Verdict.NOT_REPRODUCED, "run-slower-1")


async def test_it_is_made_again_at_half_its_scale_at_most_and_so_often_at_most(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    machine = CannedMachine(monkeypatch, TOO_FAST)
    monkeypatch.setattr(slower, "usable_scale", lambda trace: trace.scale - 1)

    run = await run_fairly(SCENARIO, options)

    assert machine.scales == [40.0, 20.0, 10.0]
    assert run.trace.scale == 10.0


async def test_a_run_that_was_a_fair_test_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    machine = CannedMachine(monkeypatch, CONTROL)
    run = await run_fairly(SCENARIO, options)
    assert (run.verdict, machine.scales) == (Verdict.NOT_REPRODUCED, [40.0])


async def test_a_run_that_is_reproduced_is_not_made_again_whatever_its_scale(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    machine = CannedMachine(monkeypatch, reproduction(scale=200.0))
    run = await run_fairly(SCENARIO, replace(options, scale=TimeScale(factor=200.0)))
    assert unfair_scale(run.trace)
    assert (run.verdict, machine.scales) == (Verdict.REPRODUCED, [200.0])


async def test_a_run_that_ended_as_expected_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    machine = CannedMachine(monkeypatch, TOO_FAST)
    run = await run_fairly(SCENARIO, options, is_expected=lambda run: bool(run.judgement.reason))
    assert (run.verdict, machine.scales) == (Verdict.INCONCLUSIVE, [40.0])


@pytest.mark.parametrize(("times", "scales"), [(0, [20.0]), (1, [20.0, 5.0])])
async def test_the_lab_makes_a_run_again_as_often_as_the_session_says(
    times: int, scales: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = CannedMachine(monkeypatch, TOO_FAST, CONTROL)
    settings = Settings(
        engine="local",
        scale=None,
        seed=7,
        artifacts=None,
        postgres_bin=None,
        folder=tmp_path,
        config=None,
        slower=times,
    )
    lab = Lab(settings, artifacts=tmp_path / "kept", again="", on_run=lambda _: None)
    await lab.run("issue-1278", role="control")
    assert machine.scales == scales

"""When a run is made again at a smaller time scale, and when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crashloop_edits import changed, with_header
from crashloop_traces import CONTROL, reproduction

from crashloop import slower
from crashloop.checks.scale import unfair_scale
from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Role, Verdict
from crashloop.options import RunOptions
from crashloop.run import Run
from crashloop.slower import run_fairly

if TYPE_CHECKING:
    import pytest

    from crashloop.model import Scenario
    from crashloop.trace.event import Trace

SLOW = changed(CONTROL, "phase.completed", phase="cache", limit_s=0.001)
SCENARIO = incident("issue-1278").scenario(Role.CONTROL)


class Machine:
    """Ends its runs with these traces, and all others with the last of them."""

    def __init__(self, *traces: Trace) -> None:
        self.traces = list(traces)
        self.scales: list[float] = []
        self.folders: list[str] = []

    async def run_scenario(self, scenario: Scenario, options: RunOptions) -> Run:
        assert options.artifacts is not None
        self.scales.append(options.scale.factor)
        self.folders.append(options.artifacts.name)
        trace = self.traces.pop(0) if len(self.traces) > 1 else self.traces[0]
        trace = with_header(trace, time_scale=options.scale.factor)
        return Run(
            scenario=scenario,
            trace=trace,
            judgement=judge(trace),
            artifacts=options.artifacts,
            seed=options.seed,
            command="",
        )


def machine(monkeypatch: pytest.MonkeyPatch, *traces: Trace) -> Machine:
    made = Machine(*traces)
    monkeypatch.setattr(slower, "run_scenario", made.run_scenario)
    return made


def options(*, scale: float = 40.0) -> RunOptions:
    return RunOptions(scale=TimeScale(factor=scale), artifacts=Path("run"), slower=2)


async def test_a_run_whose_scale_is_too_large_is_made_again_at_the_largest_usable_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = machine(monkeypatch, SLOW, CONTROL)

    run = await run_fairly(SCENARIO, options())

    assert made.scales == [40.0, 10.0]
    assert made.folders == ["run", "run-slower-1"]
    assert (run.verdict, run.artifacts.name) == (Verdict.NOT_REPRODUCED, "run-slower-1")


async def test_it_is_made_again_at_half_its_scale_at_most_and_so_often_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = machine(monkeypatch, SLOW)
    monkeypatch.setattr(slower, "usable_scale", lambda trace: trace.scale - 1)

    run = await run_fairly(SCENARIO, options())

    assert made.scales == [40.0, 20.0, 10.0]
    assert run.trace.scale == 10.0


async def test_a_run_that_was_a_fair_test_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = machine(monkeypatch, CONTROL)
    run = await run_fairly(SCENARIO, options(scale=20.0))
    assert (run.verdict, made.scales) == (Verdict.NOT_REPRODUCED, [20.0])


async def test_a_run_that_is_reproduced_is_not_made_again_whatever_its_scale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = machine(monkeypatch, reproduction(scale=200.0))
    run = await run_fairly(SCENARIO, options(scale=200.0))
    assert unfair_scale(run.trace)
    assert (run.verdict, made.scales) == (Verdict.REPRODUCED, [200.0])


async def test_a_run_that_ended_as_expected_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = machine(monkeypatch, SLOW)
    await run_fairly(
        SCENARIO, options(), is_expected=lambda run: run.verdict is Verdict.INCONCLUSIVE
    )
    assert made.scales == [40.0]

"""A run that is made again, more slowly, where its time scale was too large for this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.checks.scale import usable_scale
from crashloop.clock import REAL_TIME, TimeScale
from crashloop.lab import run_scenario
from crashloop.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.run import Run

DECIDED = {Verdict.REPRODUCED, Verdict.HARNESS_ERROR}
"""What a run shows at any scale."""


async def run_fairly(
    scenario: Scenario,
    options: RunOptions,
    *,
    is_expected: Callable[[Run], bool] = lambda _: False,
) -> Run:
    """Run it, and again at half its scale or less while that is too large here.

    It is run again `options.slower` times at most, and only if its own trace shows that the scale
    was unfair, so a run that was a fair test is never repeated. Nor is one that is REPRODUCED or
    HARNESS_ERROR, or that ended as its caller expects: then nothing has to be decided again.
    Returns the last run. Each has a folder of its own.
    """
    run = await run_scenario(scenario, options)
    for number in range(options.slower):
        usable = None if run.verdict in DECIDED or is_expected(run) else usable_scale(run.trace)
        if usable is None:
            break
        factor = max(REAL_TIME, min(usable, run.trace.scale / 2))
        folder = options.artifacts and options.artifacts.with_name(
            f"{options.artifacts.name}-slower-{number + 1}"
        )
        again = replace(options, scale=TimeScale(factor=factor), artifacts=folder)
        run = await run_scenario(scenario, again)
    return run

"""One fault alone under an app of the user's own, in the real lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mutant_runs import SLOWER

from crashloop.apps import find_entry
from crashloop.clock import TimeScale
from crashloop.incidents import incident
from crashloop.model import AppUnderTest, Journey, Outcome, Ready, RequestStep, Role, Verdict
from crashloop.options import RunOptions
from crashloop.slower import run_fairly

if TYPE_CHECKING:
    from crashloop.run import Run

FOLDER = Path(__file__).parents[2] / "fixtures" / "plain_app"

FILES = AppUnderTest(
    name="files",
    command=("{python}", "-m", "http.server", "{port}", "--bind", "{host}"),
    dependencies=(),
    ready=Ready(path="/"),
    journey=Journey(steps=(RequestStep(method="GET", path="/"),)),
)
"""A web server that has no dependency at all."""


async def run(name: str, app: AppUnderTest, folder: Path) -> Run:
    one = incident(f"fault:{name}")
    scale = TimeScale(factor=one.ordinary_scale(app))
    options = RunOptions(artifacts=folder / "run", seed=7, scale=scale, slower=SLOWER)
    return await run_fairly(one.scenario(Role.REPRODUCTION, app), options)


LOCK = "lock_held:table=orders"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outcome", "fails", "patient"),
    [
        (LOCK, Outcome.RECOVERED, "POST /orders/{key}: TimeoutError", False),
        (LOCK, Outcome.RECOVERED, "POST /orders/{key}: TimeoutError", True),
        ("image_older:table=orders,column=key", Outcome.RECOVERED, "GET /orders: ", False),
        ("latency:latency_s=1", Outcome.SURVIVED, "", False),
    ],
    ids=["a request hangs", "a patient journey hangs", "a reading fails", "all is slow"],
)
async def test_an_app_that_lives_is_judged_by_journeys_that_begin_and_end_under_the_fault(
    name: str, outcome: Outcome, fails: str, tmp_path: Path, *, patient: bool
) -> None:
    app = find_entry("plain", folder=FOLDER)
    app = replace(app, journey=replace(app.journey, patient=patient))
    done = await run(name, app, tmp_path)
    assert done.fate is not None
    assert (done.verdict, done.fate.outcome) == (Verdict.REPRODUCED, outcome), done.fate
    assert done.fate.deaths == 0
    assert fails in done.fate.why


@pytest.mark.parametrize("name", ["killed", pytest.param("port_in_use", marks=pytest.mark.slow)])
async def test_a_fault_of_the_processes_happens_to_an_app_that_has_no_dependency(
    name: str, tmp_path: Path
) -> None:
    done = await run(name, FILES, tmp_path)
    assert done.fate is not None
    assert (done.verdict, done.fate.outcome) == (Verdict.REPRODUCED, Outcome.RECOVERED), done.fate
    assert done.fate.deaths == 2

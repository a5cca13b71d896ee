"""A user's own app in the real lab: its setup, its control life, its lives, and its data."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mutant_runs import SLOWER

from crashloop.apps import find_entry
from crashloop.commands.page import step_page
from crashloop.incidents import incident
from crashloop.model import CONTROL, Outcome, OwnRemedy, Ready, Role, Verdict
from crashloop.options import RunOptions
from crashloop.proof import prove
from crashloop.report import lines
from crashloop.report.terminal import Terminal
from crashloop.slower import run_fairly
from crashloop.trace.event import CONTROL_FAILED, JOURNEY_ENDED
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest
    from crashloop.run import Run

FOLDER = Path(__file__).parents[2] / "fixtures" / "plain_app"
ISSUE = incident("issue-1278")


def plain(**changes: Any) -> AppUnderTest:
    return replace(find_entry("plain", folder=FOLDER), **changes)


async def run(folder: Path, app: AppUnderTest, role: Role = Role.REPRODUCTION) -> Run:
    options = RunOptions(artifacts=folder / "run", seed=7, slower=SLOWER)
    return await run_fairly(ISSUE.scenario(role, app), options)


def one(run: Run, kind: str) -> dict[str, Any]:
    (found,) = [event for event in run.trace.events if event.kind == kind]
    return dict(found.data)


async def test_an_app_without_a_line_of_ours_dies_recovers_and_keeps_its_data(
    tmp_path: Path,
) -> None:
    done = await run(tmp_path, plain())
    assert done.fate is not None
    assert (done.fate.outcome, done.fate.exit_codes) == (Outcome.RECOVERED, (1, 1, 1))
    assert one(done, "run.finished")["how"] == JOURNEY_ENDED
    assert one(done, "setup.finished")["lines"] == ["made the table orders"]
    assert one(done, "before.checked") == {"lost": [], "doubled": [], "checked": 1}
    control = [event.kind for event in done.trace.control if event.source not in {"proxy", "app"}]
    assert list(dict.fromkeys(control)) == [
        *("control.started", "control.ready", "before.passed"),
        *("journey.tried", "control.ended", "database.backends"),
    ]
    links = [event for event in done.trace.control if event.kind == "link.opened"]
    assert links, "its connections are its own"
    assert one(done, "control.ended")["listens_on"] == ["127.0.0.1"]
    assert {"setup.log", "control.log"} <= {each.name for each in done.artifacts.iterdir()}


@pytest.mark.slow
async def test_the_events_of_the_control_life_trigger_nothing(tmp_path: Path) -> None:
    done = await run(tmp_path, plain())
    first = done.trace.first("fault.injected")
    ended = next(event for event in done.trace.control if event.kind == "control.ended")
    assert first is not None
    assert first.mono_ns > ended.mono_ns
    assert min(life.attempt for life in done.trace.lives()) == 1


async def test_an_app_that_does_not_start_without_a_fault_is_shown_with_its_own_words(
    tmp_path: Path,
) -> None:
    broken = {**plain().env, "PLAIN_APP_BROKEN": "1"}
    done = await run(tmp_path, plain(env=broken, setup=()))
    assert done.fate is not None
    assert (done.fate.outcome, done.verdict) == (Outcome.NEVER_STARTED, Verdict.INCONCLUSIVE)
    assert one(done, "run.finished")["how"] == CONTROL_FAILED
    failed = one(done, "control.failed")
    assert (failed["what"], failed["exit_code"]) == ("died", 1)
    assert one(done, "control.ended")["run_s"] < plain().ready.within_s / 4, "it is said at once"
    assert failed["lines"] == ["PLAIN_APP_BROKEN is set"]
    assert done.trace.lives() == []
    read = read_trace(done.trace_path)
    assert read.control == done.trace.control
    assert {event.life for event in read.control} == {CONTROL}


async def test_a_failed_setup_ends_the_run_before_the_app_starts(tmp_path: Path) -> None:
    done = await run(tmp_path, plain(setup=("{python}", "-c", "import sys; sys.exit('no')")))
    assert done.fate is not None
    assert done.fate.outcome is Outcome.NEVER_STARTED
    assert one(done, "setup.finished")["exit_code"] == 1
    assert one(done, "control.failed")["lines"] == ["no"]
    assert not (done.artifacts / "control.log").exists()


async def test_an_app_can_be_ready_by_what_it_prints(tmp_path: Path) -> None:
    done = await run(tmp_path, plain(ready=Ready(log="^listening$")), Role.CONTROL)
    ready = [event.life for event in done.trace.of("ready.answered") if event.data["ready"]]
    assert ready == [(1, 1)]
    assert one(done, "run.finished")["how"] == JOURNEY_ENDED


@pytest.mark.slow
async def test_an_outage_of_the_users_own_app_is_proven_with_the_users_own_remedy(
    tmp_path: Path,
) -> None:
    app = plain(
        env={**plain().env, "LIMIT_S": "20"},
        timers=("LIMIT_S",),
        remedies={"none": OwnRemedy(), "patience": OwnRemedy(env={"LIMIT_S": "240"})},
    )
    options = RunOptions(artifacts=tmp_path / "proof", seed=7, slower=SLOWER)
    proof = await prove(ISSUE, {}, options, app=app, remedy="patience")
    shortfalls = {str(step.role): step.shortfall for step in proof.steps}
    assert proof.proven, shortfalls
    remedied = proof.steps[2].run
    assert remedied.scenario.remedy == "patience"
    assert remedied.fate is not None
    assert remedied.fate.deaths == 0
    outcome = str(remedied.fate.outcome).lower()
    assert proof.remedied == f"the remedy patience ends it: with it, the app {outcome}"
    assert proof.to_json()["runs"][2]["remedy"] == "patience"
    terminal = Terminal(io.StringIO())
    page = lines.plain(step_page(remedied.trace, remedied.judgement, terminal))
    assert f" {remedied.fate.outcome} with the remedy patience, " in " ".join(page.split())
    assert "what helps" not in page


async def test_a_proof_ends_with_the_first_run_if_the_app_does_not_start(tmp_path: Path) -> None:
    broken = {**plain().env, "PLAIN_APP_BROKEN": "1"}
    app = plain(env=broken, setup=(), remedies={"any": OwnRemedy(env={"X": "1"})})
    proof = await prove(ISSUE, {}, RunOptions(artifacts=tmp_path / "proof"), app=app)
    (step,) = proof.steps
    assert "PLAIN_APP_BROKEN" not in step.shortfall
    assert "exited with 1 before it was ready" in step.shortfall

"""The three tests that the original suite promised: start-up failure, loop, log pattern."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.checks.logs import failure_pattern
from crashloop.cloud_logging import MODELLED
from crashloop.incidents import incident
from crashloop.incidents.issue_1278 import TIME_OUTS_AND_CONNECTION_ERRORS
from crashloop.model import PHASES, Verdict

if TYPE_CHECKING:
    from crashloop.testing import Lab, LabRun

MUTANTS = Path(__file__).parents[2] / "fixtures" / "mutants"


async def test_complete_start_up_failure(lab: Lab) -> None:
    run = await lab.run("issue-1278")

    run.expect(Verdict.REPRODUCED)
    failed = run.events("phase.failed")
    assert [event.data["phase"] for event in failed] == ["database"] * 3
    assert {error["type"] for event in failed for error in event.data["error"]} >= {"TimeoutError"}
    for attempt in (1, 2, 3):
        done = [event.data["phase"] for event in run.events("phase.completed", attempt=attempt)]
        assert done == ["init", "dependencies"]
        assert not run.events("port.opened", attempt=attempt)
        assert run.events("link.held", attempt=attempt)


async def test_container_restart_cycle(lab: Lab) -> None:
    run = await lab.run("issue-1278")

    run.expect(Verdict.REPRODUCED)
    deaths = [event for event in run.events("process.exited") if not event.data["requested"]]
    starts = run.events("process.started")
    assert [event.data["exit_code"] for event in deaths] == [3, 3, 3]
    assert len({event.data["pid"] for event in starts}) == len(starts) == 4
    boots = [event.data["boot_id"] for event in run.events("startup.started")]
    assert len(set(boots)) == 4
    for died, started in zip(deaths, starts[1:], strict=True):
        assert started.mono_ns > died.mono_ns
    recovered = [e.data["phase"] for e in run.events("phase.completed", attempt=4)]
    assert recovered == list(PHASES)
    row = run.events("golden.row")[-1]
    assert row.source == "database"


async def test_failure_pattern_in_the_logs(lab: Lab) -> None:
    run = await lab.run("issue-1278")

    entries = _log(run)
    result = failure_pattern(
        entries, phase="database", code=3, times=3, errors=TIME_OUTS_AND_CONNECTION_ERRORS
    )
    assert result.holds, result.says
    exits = [entry for entry in entries if "textPayload" in entry]
    assert [entry["textPayload"] for entry in exits] == ["Container called exit(3)."] * 3
    assert all(entry["labels"][MODELLED] == "true" for entry in exits)
    assert not any(MODELLED in e["labels"] for e in entries if "jsonPayload" in e)


async def test_the_log_of_a_programming_error_with_the_same_exit_code_is_rejected(
    lab: Lab,
) -> None:
    scenario = incident("issue-1278").scenario()
    mutant = replace(scenario.app, target="name_error_in_dependencies:app", folder=str(MUTANTS))

    run = await lab.run(replace(scenario, app=mutant))

    entries = _log(run)
    assert [e["textPayload"] for e in entries if "textPayload" in e][:3] == [
        "Container called exit(3)."
    ] * 3
    result = failure_pattern(
        entries, phase="database", code=3, times=3, errors=TIME_OUTS_AND_CONNECTION_ERRORS
    )
    assert result.holds is False
    assert "died in phase dependencies (NameError), not in database" in result.says


def _log(run: LabRun) -> list[dict[str, Any]]:
    text = (run.artifacts / "cloud-logging.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]

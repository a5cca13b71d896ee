"""A real PgBouncer before Postgres: the app works through it, and its end is noticed."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from local_runs import HAS_A_SESSION, POSTGRES, opened
from mutant_runs import options
from pgbouncer import needs_pgbouncer

from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Role, Verdict
from crashloop.options import RunOptions
from crashloop.run import evidence_files
from crashloop.slower import run_fairly

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.trace.event import Event

pytestmark = [pytest.mark.slow, needs_pgbouncer]


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_the_sample_app_starts_and_answers_through_it(mode: str, tmp_path: Path) -> None:
    scenario = incident("fault:hold").scenario(Role.CONTROL, pooler=mode)
    run = await run_fairly(scenario, options(tmp_path, scale=5.0))  # fair on a busy machine
    assert run.verdict is Verdict.NOT_REPRODUCED, run.judgement.reason
    assert [event.data["step"] for event in run.trace.of("journey.step")] == [1, 2, 3]
    (started,) = run.trace.of("pooler.started")
    assert (started.target, started.data["mode"]) == ("postgres", mode)
    assert "pgbouncer.log" in evidence_files(run.artifacts, run.trace)
    assert not run.trace.of("database.backends"), "a pooler's sessions are nobody's"


async def test_one_that_dies_makes_the_run_invalid(tmp_path: Path) -> None:
    pids: list[int] = []

    def kill(event: Event) -> None:
        if event.kind == "pooler.started":
            pids.append(event.data["pid"])
        if event.kind == "process.started":
            os.kill(pids[0], signal.SIGKILL)

    scenario = incident("fault:hold").scenario(Role.CONTROL, pooler="transaction")
    run = await run_scenario(scenario, RunOptions(artifacts=tmp_path / "run", on_event=kill))
    assert run.verdict is Verdict.HARNESS_ERROR
    assert "PgBouncer died in the middle of the run" in run.judgement.reason


async def test_the_harness_prepares_nothing_that_the_app_could_meet_in_its_sessions(
    tmp_path: Path,
) -> None:
    pooled = replace(POSTGRES, pooler="transaction")
    async with opened(tmp_path, HAS_A_SESSION, pooled) as run:
        await run.engine.baseline()
        async with run.engine.ports.pooler("postgres").session() as client:
            assert await client.fetchval("select count(*) from pg_prepared_statements") == 0

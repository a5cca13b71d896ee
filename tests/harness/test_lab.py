"""Accidents during a run: it ends, says why, and never judges incomplete evidence."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Role, Verdict
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.trace.event import Event


@pytest.mark.parametrize(
    ("started", "told"),
    [
        ("database.started", "Postgres died in the middle of the run"),
        ("cache.started", "died in the middle of the run"),
        ("proxy.started", "the fault proxy was ended by SIGKILL"),
    ],
)
async def test_a_server_that_is_killed_ends_the_run_and_is_named(
    tmp_path: Path, started: str, told: str
) -> None:
    pids: list[int] = []

    def kill(event: Event) -> None:
        if event.kind == started:
            pids.append(event.data["pid"])
        if event.kind == "process.started":
            os.kill(pids[0], signal.SIGKILL)

    options = RunOptions(artifacts=tmp_path / "run", on_event=kill)
    run = await run_scenario(incident("issue-1278").scenario(Role.CONTROL), options)

    assert run.verdict is Verdict.HARNESS_ERROR
    assert told in run.judgement.reason


@pytest.mark.parametrize(
    "server",
    ["database", *(pytest.param(one, marks=pytest.mark.slow) for one in ("cache", "proxy"))],
)
async def test_a_server_that_is_killed_after_the_last_attempt_is_a_broken_harness(
    tmp_path: Path, server: str
) -> None:
    pids: list[int] = []

    def kill(event: Event) -> None:
        if event.kind == f"{server}.started":
            pids.append(event.data["pid"])
        if event.kind == "process.exited":
            os.kill(pids[0], signal.SIGKILL)
            os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)  # until it is dead, unreaped

    options = RunOptions(artifacts=tmp_path / "run", on_event=kill)
    run = await run_scenario(incident("issue-1278").scenario(Role.CONTROL), options)

    assert run.verdict is Verdict.HARNESS_ERROR
    assert run.trace.of(f"{server}.died")
    assert not run.trace.of(f"{server}.stopped")


@pytest.mark.slow
async def test_servers_that_are_stopped_in_order_have_not_died(tmp_path: Path) -> None:
    options = RunOptions(artifacts=tmp_path / "run")
    run = await run_scenario(incident("issue-1278").scenario(Role.CONTROL), options)

    assert run.verdict is not Verdict.HARNESS_ERROR
    for server in ("database", "cache", "proxy"):
        assert len(run.trace.of(f"{server}.stopped")) == 1
        assert not run.trace.of(f"{server}.died")

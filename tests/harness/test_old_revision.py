"""The old revision of the app beside the new one, on the local engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from local_runs import CONNECTS_AT_ONCE, HAS_A_SESSION, POSTGRES, opened

from crashloop.ending import first_failure
from crashloop.engines.template import ROLE
from crashloop.errors import HarnessError
from crashloop.model import Life, Replicas

if TYPE_CHECKING:
    from pathlib import Path

    from local_runs import Opened

OVERLAP = Replicas(count=1, overlap=2, old_knobs={"name": "old"})
SESSIONS = f"select count(*) from pg_stat_activity where usename = '{ROLE}'"  # noqa: S608  a name


async def test_old_instances_serve_while_it_lasts_and_leave_no_session(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES, replicas=OVERLAP) as run:
        async with run.engine.ports.revisions().overlapping():
            during = await run.engine.query("postgres", SESSIONS)
            assert run.of("process.exited") == []
        after = await run.engine.query("postgres", SESSIONS)
    assert (during, after) == (2, 0)
    started, exited = run.of("process.started"), run.of("process.exited")
    assert {event.life for event in started} == {Life(2, 1), Life(3, 1)}
    assert {event.data["revision"] for event in started} == {"old"}
    ready = run.of("ready.answered")
    assert {event.life for event in ready if event.data["ready"]} == {Life(2, 1), Life(3, 1)}
    assert [event.data["requested"] for event in exited] == [True, True]
    assert (tmp_path / "replica-2-attempt-1.log").read_text() == "session old\n"


async def test_the_new_revision_runs_beside_the_old_one(tmp_path: Path) -> None:
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES, replicas=OVERLAP) as run:
        async with run.engine.ports.revisions().overlapping(), run.replicas():
            await run.until("app.output", count=3)
            sessions = await run.engine.query("postgres", SESSIONS)
        lives = {each.life for each in run.lives}
    assert sessions == 3
    assert lives == {Life(1, 1), Life(2, 1), Life(3, 1)}
    texts = {event.life: event.data["text"] for event in run.of("app.output")}
    assert texts[Life(1, 1)] == "session new"


async def test_a_second_overlap_counts_the_attempts_on(tmp_path: Path) -> None:
    one = replace(OVERLAP, overlap=1)
    async with opened(tmp_path, HAS_A_SESSION, POSTGRES, replicas=one) as run:
        for _ in range(2):
            async with run.engine.ports.revisions().overlapping():
                pass
    assert [event.life for event in run.of("process.started")] == [Life(2, 1), Life(2, 2)]


async def failure(run: Opened) -> str:
    """The error's message with which an overlap fails."""
    try:
        async with run.engine.ports.revisions().overlapping():
            pytest.fail("it is not ready")
    except BaseExceptionGroup as group:
        error = first_failure(group)
    assert isinstance(error, HarnessError)
    return error.message


async def test_an_old_instance_that_is_not_ready_in_the_apps_own_time_breaks_the_run(
    tmp_path: Path,
) -> None:
    app = replace(CONNECTS_AT_ONCE, ready=replace(CONNECTS_AT_ONCE.ready, within_s=0.2))
    silent = Replicas(count=1, overlap=1)
    async with opened(tmp_path, app, POSTGRES, replicas=silent) as run:
        assert "replica 2 was not ready within 0.2 s" in await failure(run)
        assert len(run.of("process.exited")) == 1


async def test_an_old_instance_that_dies_breaks_the_run(tmp_path: Path) -> None:
    dies = replace(CONNECTS_AT_ONCE, command=("false",))
    async with opened(tmp_path, dies, POSTGRES, replicas=Replicas(count=1, overlap=1)) as run:
        assert "replica 2 ended before it was ready" in await failure(run)

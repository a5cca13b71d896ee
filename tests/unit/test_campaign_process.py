"""Workers as child processes: their answers, and that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from crashloop import child
from crashloop.campaign import process
from crashloop.campaign.plan import Job
from crashloop.campaign.process import Crew, Worker, WorkerError, crew
from crashloop.errors import HarnessError

FAKE = (sys.executable, "-I", "-S", str(Path(__file__).parents[2] / "fixtures/fake_worker.py"))
start = partial(Worker.start, FAKE)


def job(remedy: str = "answer", *, seed: int = 1) -> Job:
    return Job(
        incident="x", role="remedy", params={}, seed=seed, scale=20.0, digest="", remedy=remedy
    )


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return True
    return False


async def test_one_worker_answers_one_job_after_the_other() -> None:
    async with crew(start) as workers:
        answers = [await workers.ask(job(seed=seed), bound_s=10.0) for seed in (1, 2, 3)]
    assert [each["seed"] for each in answers] == [1, 2, 3]
    assert len({each["pid"] for each in answers}) == 1
    assert is_gone(answers[0]["pid"])


async def test_jobs_at_once_have_a_worker_each() -> None:
    async with crew(start) as workers:
        await workers.ready(3)
        answers = await asyncio.gather(*(workers.ask(job(), bound_s=10.0) for _ in range(3)))
    assert len({each["pid"] for each in answers}) == 3


@pytest.mark.parametrize(
    ("remedy", "why"),
    [("die", "ended with status 3 and no answer: MemoryError"), ("torn", "no answer")],
)
async def test_a_worker_without_an_answer_is_replaced(remedy: str, why: str) -> None:
    async with crew(start) as workers:
        first = await workers.ask(job(), bound_s=10.0)
        with pytest.raises(WorkerError, match=why):
            await workers.ask(job(remedy), bound_s=10.0)
        second = await workers.ask(job(), bound_s=10.0)
    assert first["pid"] != second["pid"]


async def test_a_job_that_takes_too_long_is_ended_with_its_worker() -> None:
    async with crew(start) as workers:
        pid = (await workers.ask(job(), bound_s=10.0))["pid"]
        with pytest.raises(WorkerError, match="did not end within"):
            await workers.ask(job("hang"), bound_s=0.1)
        assert is_gone(pid)


async def test_what_a_worker_left_behind_does_not_keep_the_comparison_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LAST_LINES_BOUND_S", 0.1)
    monkeypatch.setattr(process, "END_BOUND_S", 0.2)
    left = 0
    try:
        async with asyncio.timeout(10.0), crew(start) as workers:
            left = (await workers.ask(job("orphan"), bound_s=10.0))["pid"]
            with pytest.raises(WorkerError, match=r"status 3 and no answer: .* holds this open"):
                await workers.ask(job(), bound_s=10.0)
        assert not is_gone(left)
    finally:
        if left:
            os.kill(left, signal.SIGKILL)


async def test_a_worker_that_does_not_start_says_why() -> None:
    async with crew(partial(Worker.start, (*FAKE, "broken"))) as workers:
        with pytest.raises(ExceptionGroup) as raised:
            await workers.ready(1)
    (error,) = raised.value.exceptions
    assert isinstance(error, HarnessError)
    assert "did not start: it ended with status 1 and no answer: no module" in error.message


@pytest.mark.parametrize("remedy", ["hang", "stubborn"])
async def test_a_crew_that_is_cancelled_leaves_no_worker(
    remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "END_BOUND_S", 0.2)
    pids: list[int] = []
    asked = asyncio.Event()

    async def work() -> None:
        async with crew(start) as workers:
            await workers.ready(2)
            for _ in range(2):
                pids.append((await workers.ask(job(), bound_s=10.0))["pid"])
                await _use(workers, remedy)
            asked.set()
            await asyncio.Event().wait()

    async def _use(workers: Crew, remedy: str) -> None:
        busy.append(asyncio.create_task(workers.ask(job(remedy), bound_s=60.0)))
        await asyncio.sleep(0)

    busy: list[asyncio.Task[object]] = []
    working = asyncio.create_task(work())
    await asked.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert len(pids) == 2
    assert all(map(is_gone, pids))
    await asyncio.gather(*busy, return_exceptions=True)

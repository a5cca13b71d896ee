"""An app that gets too little CPU or memory, on the local engine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import awaited, begun
from leftovers import left_of
from local_runs import REDIS, opened

from crashloop.faults.process.cpu_starved import CpuStarved
from crashloop.faults.process.memory_limit import MIB, MemoryLimit
from crashloop.faults.process.usage import cpu_s, is_stopped
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from local_runs import Opened

    from crashloop.faults.base import Fault

BOUND_S = 10.0
GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
COMPUTES = AppUnderTest(name="computes", command=("/bin/sh", "-c", "while :; do :; done"))
GROWS = AppUnderTest(
    name="grows",
    command=("{python}", "-c", "import time; all = bytearray(64 << 20); time.sleep(60)"),
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@contextlib.asynccontextmanager
async def under(fault: Fault, app: AppUnderTest, tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path, app, REDIS) as run:
        active = fault.active(run.engine.ports, name="f", target="replicas")
        async with active, run.replicas():
            yield run


async def test_a_starved_app_has_its_share_of_the_cpu(
    tmp_path: Path,
) -> None:
    async with under(CpuStarved(share=0.1), COMPUTES, tmp_path) as run:
        (seen,) = await run.until("process.cpu_withheld")
        pid = seen.data["pid"]
        before_s, begun_s = cpu_s(pid), time.monotonic()
        await asyncio.sleep(0.5)  # what it may compute meanwhile is what is tested
        lasted_s, after_s = time.monotonic() - begun_s, cpu_s(pid)
    assert before_s is not None
    assert after_s is not None
    assert after_s - before_s < 0.4 * lasted_s
    last = run.of("process.cpu_withheld")[-1].data
    assert last["withheld_s"] >= 0.2
    assert last["modelled"] is True


async def test_a_starved_app_is_no_longer_stopped_after_the_heal(tmp_path: Path) -> None:
    async with opened(tmp_path, COMPUTES, REDIS) as run, run.replicas():
        fault = CpuStarved(share=0.01)
        async with fault.active(run.engine.ports, name="f", target="replicas"):
            (seen,) = await run.until("process.cpu_withheld")
        pid = seen.data["pid"]
        healed_s = cpu_s(pid)
        assert healed_s is not None
        async with asyncio.timeout(BOUND_S):
            while (cpu_s(pid) or 0.0) <= healed_s:  # noqa: ASYNC110  the kernel announces no CPU time
                await asyncio.sleep(LOOK_EVERY_S)
        assert not is_stopped(pid)


async def test_an_app_over_its_memory_limit_is_killed(tmp_path: Path) -> None:
    async with under(MemoryLimit(limit_mib=32.0), GROWS, tmp_path) as run:
        (seen,) = await run.until("process.memory_exceeded")
    assert seen.data["signal"] == "SIGKILL"
    assert seen.data["resident_bytes"] > seen.data["limit_bytes"] == 32 * MIB
    assert seen.data["modelled"] is True
    assert seen.replica == 1


async def test_an_app_over_its_old_memory_limit_is_reported_and_runs_on(tmp_path: Path) -> None:
    fault = MemoryLimit(limit_mib=1024.0, old_limit_mib=16.0)
    async with under(fault, GROWS, tmp_path) as run:
        (seen,) = await run.until("process.memory_over_old_limit")
        ((life, _),) = run.engine.ports.lives().running()
    assert (seen.replica, seen.attempt) == (life.replica, life.attempt)
    assert seen.data["resident_bytes"] > seen.data["old_limit_bytes"] == 16 * MIB
    assert run.of("process.memory_exceeded") == []


async def test_an_app_below_its_memory_limit_runs_on(tmp_path: Path) -> None:
    async with under(MemoryLimit(limit_mib=1024.0), GROWS, tmp_path) as run:
        lives = run.engine.ports.lives()
        async with asyncio.timeout(BOUND_S), contextlib.aclosing(lives.started()) as started:
            life, _ = await anext(started)
        assert await lives.signal(life, signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            assert await lives.status(life) == -signal.SIGTERM
    assert run.of("process.memory_exceeded") == []


@contextlib.contextmanager
def reproducing(fault: str, event: str, folder: Path) -> Iterator[tuple[Any, Path]]:
    """The command with the fault injected and the event seen, and the run's folder."""
    command = begun("reproduce", "--fault", fault, "--artifacts", "run", folder=folder)
    try:
        awaited("fault.injected", folder)
        awaited(event, folder)
        made = Path(awaited("workspace.made", folder)["data"]["folder"])
        assert left_of(made), "or the test sees nothing"
        yield command, made
    finally:
        command.kill()
        command.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "event"),
    [
        ("cpu_starved:share=0.01", "process.cpu_withheld"),
        ("memory_limit:limit_mib=4096", "phase.started"),
        ("image_older", "phase.started"),
    ],
)
def test_nothing_is_left_after_a_sigkill_of_the_command(
    fault: str, event: str, tmp_path: Path
) -> None:
    with reproducing(fault, event, tmp_path) as (command, folder):
        command.kill()
        assert command.wait() == -signal.SIGKILL

    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []


@pytest.mark.slow
def test_an_interrupt_ends_a_starved_app_tidily(tmp_path: Path) -> None:
    starved = reproducing("cpu_starved:share=0.01", "process.cpu_withheld", tmp_path)
    with starved as (command, folder):
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=GONE_WITHIN_S)
        assert command.returncode == 128 + signal.SIGINT
        assert left_of(folder) == []

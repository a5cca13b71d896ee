"""The names that a life finds on the local engine: other answers, late ones, and whose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from leftovers import LINUX, left_of
from local_runs import opened

import crashloop
from crashloop.engines.app import AppProcess
from crashloop.engines.names import require_names
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults.network.ipv6_first import FIRST, Ipv6First
from crashloop.model import AppUnderTest, Dependency, Life

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local_runs import Opened

REDIS = Dependency(name="redis", kind="redis", host="localhost")
LATE_S = 0.3
GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
FIXTURES = Path(__file__).parents[2] / "fixtures"
LOOKS_UP = AppUnderTest(
    name="looks-up",
    command=("/bin/sh", "-c", "while getent ahosts localhost || echo none; do sleep 0.02; done"),
)
"""Prints what it finds for the name, again and again."""


def _here() -> bool:
    try:
        require_names("name_unknown")
    except CapabilityError:
        return False
    return True


pytestmark = pytest.mark.skipif(
    not LINUX or not _here(), reason="needs a mount namespace, and glibc's look-ups"
)


@contextlib.asynccontextmanager
async def looking_up(folder: Path, *addresses: str, after_s: float = 0.0) -> AsyncIterator[Opened]:
    """A run whose life looks the name up, and is answered by a fault."""
    async with opened(folder, LOOKS_UP, REDIS) as run:
        names = run.engine.ports.names()
        async with names.answered("redis", addresses, fault="f", after_s=after_s), run.replicas():
            yield run


def first_of(run: Opened) -> str:
    return str(run.of("app.output")[0].data["text"]).split()[0]


async def test_a_name_without_an_address_is_not_found(tmp_path: Path) -> None:
    async with looking_up(tmp_path) as run:
        await run.until("app.output")
        assert first_of(run) == "none"


async def test_a_name_has_the_addresses_of_the_fault_in_their_order(tmp_path: Path) -> None:
    async with looking_up(tmp_path, "127.0.0.3") as run:
        await run.until("app.output")
        assert first_of(run) == "127.0.0.3"


async def test_each_look_up_is_seen_with_the_life_that_it_comes_from(tmp_path: Path) -> None:
    async with looking_up(tmp_path) as run:
        asked, again, *_ = await run.until("name.asked", count=2)
        (life,) = run.lives
    assert {asked.life, again.life} == {Life(1, 1)}
    assert asked.target == "redis"
    assert asked.data["name"] == "localhost"
    assert isinstance(life, AppProcess)
    assert asked.data["session"] == life.pid
    assert asked.data["pid"] != again.data["pid"], "each getent is a process of its own"


async def test_a_late_answer_comes_after_its_time_and_is_right(tmp_path: Path) -> None:
    async with looking_up(tmp_path, "127.0.0.1", after_s=LATE_S) as run:
        (answered, *_) = await run.until("name.answered")
        await run.until("app.output")
        assert answered.data["waited_s"] >= LATE_S
        assert first_of(run) == "127.0.0.1"


async def test_the_end_of_the_fault_answers_who_waits_and_running_lives_are_well(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, LOOKS_UP, REDIS) as run, contextlib.AsyncExitStack() as fault:
        names = run.engine.ports.names()
        await fault.enter_async_context(names.answered("redis", (), fault="f", after_s=3600))
        async with run.replicas():
            await run.until("name.asked")
            await fault.aclose()
            await run.until("app.output", count=3)
            assert "127.0.0.1" in str(run.of("app.output")[2].data["text"])


async def test_who_waits_for_the_address_that_is_first_is_refused_when_the_fault_ends(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, LOOKS_UP, REDIS) as run, contextlib.AsyncExitStack() as fault:
        ports = run.engine.ports
        try:
            await fault.enter_async_context(Ipv6First().active(ports, name="f", target="redis"))
        except CapabilityError as error:
            pytest.skip(str(error))
        port = run.engine.proxy.path("redis").address.port
        waiting = asyncio.create_task(asyncio.open_connection(FIRST, port))
        await run.until("gate.syn_seen")
        await fault.aclose()
        with pytest.raises(ConnectionRefusedError):
            await waiting
        assert not run.of("gate.opened"), "it could have been let in, and then cut off"


async def test_a_life_of_before_the_fault_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, LOOKS_UP, REDIS) as run, run.replicas():
        await run.until("app.output")
        async with run.engine.ports.names().answered("redis", (), fault="f"):
            before = len(run.of("app.output"))
            await run.until("app.output", count=before + 2)
        assert not run.of("name.asked")


async def test_a_dependency_without_a_name_cannot_have_a_wrong_one(tmp_path: Path) -> None:
    async with opened(tmp_path, LOOKS_UP, Dependency(name="redis", kind="redis")) as run:
        with pytest.raises(UsageError, match="by its address"):
            async with run.engine.ports.names().answered("redis", (), fault="f"):
                raise AssertionError("it must not be entered")


HARNESS = """
import asyncio, sys
from pathlib import Path
from local_runs import opened
from test_names import LOOKS_UP, REDIS

async def main(folder):
    async with opened(Path(folder), LOOKS_UP, REDIS) as run:
        (made,) = run.of("workspace.made")
        print(made.data["folder"], flush=True)
        names = run.engine.ports.names()
        async with names.answered("redis", (), fault="f", after_s=3600), run.replicas():
            await run.until("name.asked")
            print("asked", flush=True)
            await asyncio.get_running_loop().create_future()

asyncio.run(main(sys.argv[1]))
"""


def mounted() -> list[str]:
    """The mounts of this machine, but for those of containers, which come and go beside a test."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not {"overlay", "nsfs", "shm"} & set(line.split())]


def test_nothing_is_left_of_a_life_that_waits_for_an_answer(tmp_path: Path) -> None:
    mounts = mounted()
    paths = [Path(crashloop.__file__).parents[1], FIXTURES, Path(__file__).parent, *sys.path]
    harness = subprocess.Popen(
        [sys.executable, "-P", "-c", HARNESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, paths)))},
    )
    try:
        assert harness.stdout is not None
        folder = Path(harness.stdout.readline().strip())
        assert harness.stdout.readline() == "asked\n"
        assert left_of(folder), "or the test sees nothing"
    finally:
        harness.kill()
        harness.communicate()
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while left_of(folder) and time.monotonic() < deadline_s:
        time.sleep(LOOK_EVERY_S)  # nothing of the harness is there to tell
    assert left_of(folder) == []
    assert mounted() == mounts

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import crashloop
from crashloop.engines.reaper import identity, marked, postgres_backends

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMISE_S = 15.0
DEADLINE_S = 20.0
SHARED_MEMORY = Path("/proc/sysvipc/shm")

pytestmark = pytest.mark.skipif(not SHARED_MEMORY.exists(), reason="looks into Linux's /proc")

HARNESS = """
import asyncio, os, sys
from pathlib import Path
from crashloop.engines.binaries import find_binaries
from crashloop.engines.cache import cache
from crashloop.engines.postgres import postgres
from crashloop.engines.process import start
from crashloop.engines.template import template
from crashloop.engines.workspace import workspace

def say(*words):
    print(*words, flush=True)

def emit(kind, data):
    say("event", kind, data["pid"])

async def main(folder, evidence, child):
    with workspace() as ws:
        say("workspace", ws.path, ws.reaper.pid)
        made = await template(ws, find_binaries(), cache_dir=Path(folder))
        say("template", 0, 0)
        async with postgres(ws, made, emit=emit, evidence=Path(evidence)) as server:
            async with cache(ws, emit=emit, evidence=Path(evidence), kind="fakeredis"):
                child = start(["sh", "-c", child], workspace=ws, name="child")
                await child.said("up", deadline_s=10)
                say("up", server.pid, child.pid)
                await asyncio.get_running_loop().create_future()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cache_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


GENTLE = "sleep 600 & echo up; wait"
STUBBORN = "trap '' TERM; sleep 600 & echo up; wait; wait"


class Harness:
    """A harness in a process of its own that is there to be killed."""

    def __init__(self, cache_dir: Path, evidence: Path, child: str = GENTLE) -> None:
        paths = [str(Path(crashloop.__file__).parents[1]), *filter(None, sys.path)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", HARNESS, str(cache_dir), str(evidence), child],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        _, path, reaper = self.await_line("workspace")
        self.path, self.reaper = Path(path), int(reaper)

    def await_line(self, word: str) -> list[str]:
        """The next line that starts with `word`, split; fails when it does not come."""
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            select.select([self.output], [], [], deadline_s - time.monotonic())
            line = self.output.readline().decode().split()
            assert line, f"the harness ended before it said {word!r}"
            if line[0] == word:
                return line
        pytest.fail(f"the harness did not say {word!r}")

    def kill(self) -> float:
        """SIGKILL; then the seconds that passed until the reaper had ended."""
        handle = os.pidfd_open(self.reaper)
        self.process.kill()
        killed_s = time.monotonic()
        self.process.wait()
        self.output.close()
        ended, _, _ = select.select([handle], [], [], DEADLINE_S)
        os.close(handle)
        assert ended, "the reaper still runs"
        return time.monotonic() - killed_s

    def left(self) -> list[str]:
        """What is still there of the run, in words; empty when all is gone."""
        folders = [str(self.path)]
        pids = marked(self.path.name, folders) | postgres_backends(folders)
        left = [f"process {pid}" for pid in pids if identity(pid)]
        return left + [f"folder {self.path}" for _ in range(self.path.exists())]


def segment_in(file: Path) -> str:
    """The id of the segment that a postmaster.pid names; empty when it names none yet."""
    try:
        return file.read_text(encoding="ascii").splitlines()[6].split()[1]
    except (OSError, IndexError):
        return ""


def segment(harness: Harness) -> str:
    return segment_in(harness.path / "pg/data/postmaster.pid")


def segments() -> set[str]:
    rows = SHARED_MEMORY.read_text(encoding="ascii").splitlines()[1:]
    return {row.split()[1] for row in rows}


def test_a_killed_harness_leaves_no_process_no_folder_no_shared_memory(
    cache_dir: Path, tmp_path: Path
) -> None:
    harness = Harness(cache_dir, tmp_path, STUBBORN)
    harness.await_line("up")
    held = segment(harness)
    assert held in segments()
    assert harness.left(), "or the test sees nothing"
    assert harness.kill() < PROMISE_S
    assert harness.left() == []
    assert held not in segments()


def test_a_harness_killed_at_any_stage_of_its_start_leaves_nothing(
    cache_dir: Path, tmp_path: Path
) -> None:
    for stage in ("workspace", "template", "event", "event"):
        harness = Harness(cache_dir, tmp_path)
        if stage != "workspace":
            harness.await_line(stage)
        assert harness.kill() < PROMISE_S
        assert harness.left() == [], stage


def test_a_harness_killed_while_it_makes_the_template_leaves_no_half_of_it(
    tmp_path: Path,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    held: set[str] = set()
    try:
        harness = Harness(folder, tmp_path)
        deadline_s = time.monotonic() + DEADLINE_S
        # A folder that appears in the middle of initdb gives no event
        while not held and time.monotonic() < deadline_s:
            held = {segment_in(found) for found in folder.glob(".making-*/data/postmaster.pid")}
            held.discard("")
            time.sleep(0.001)
        assert held, "or the test sees nothing"
        harness.kill()
        assert harness.left() == []
        # beside the lock there may be the copy of the programs that root's Postgres runs
        assert {path.name.split("-")[0] for path in folder.iterdir()} <= {".lock", "binaries"}
        assert not held & segments()
    finally:
        shutil.rmtree(folder)


def test_a_harness_killed_after_its_server_was_killed_and_paused_leaves_nothing(
    cache_dir: Path, tmp_path: Path
) -> None:
    harness = Harness(cache_dir, tmp_path)
    _, server, _ = harness.await_line("up")
    held = segment(harness)
    backends = postgres_backends([str(harness.path)]) - {int(server)}
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    os.kill(harness.process.pid, signal.SIGSTOP)
    os.kill(int(server), signal.SIGKILL)
    assert harness.kill() < PROMISE_S
    assert harness.left() == []
    assert held not in segments()


def test_the_reaper_survives_what_ends_the_harness(cache_dir: Path, tmp_path: Path) -> None:
    harness = Harness(cache_dir, tmp_path)
    harness.await_line("up")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(harness.reaper, number)
    assert harness.kill() < PROMISE_S
    assert harness.left() == []


def test_ctrl_c_ends_a_run_within_five_seconds_and_leaves_nothing(
    cache_dir: Path, tmp_path: Path
) -> None:
    harness = Harness(cache_dir, tmp_path)
    harness.await_line("up")
    harness.process.send_signal(signal.SIGINT)
    harness.process.wait(5.0)
    harness.output.close()
    assert harness.left() == []


def test_a_process_of_another_run_is_never_touched(cache_dir: Path, tmp_path: Path) -> None:
    mark = f"cl-{secrets.token_hex(4)}"
    other = subprocess.Popen(["/bin/sleep", "60"], env={"CRASHLOOP_RUN": mark, "PATH": os.defpath})
    try:
        harness = Harness(cache_dir, tmp_path)
        harness.await_line("up")
        harness.kill()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()

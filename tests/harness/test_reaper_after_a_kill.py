"""A harness that is killed in the middle of its start or run: its watcher removes all of it."""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from leftovers import (
    LINUX,
    left_of,
    segment_of,
    segments,
    segments_of_templates,
    unfinished_templates,
)

import crashloop
from crashloop.engines.reaper import postgres_backends

PROMISE_S = 15.0
DEADLINE_S = 20.0

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc")

HARNESS = """
import asyncio, os, sys
from pathlib import Path
from crashloop.engines.binaries import find_binaries
from crashloop.engines.cache import cache
from crashloop.engines.postgres_run import postgres
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
        made = await template(ws, find_binaries(), cache_dir=Path(folder) if folder else None)
        async with postgres(ws, made, emit=emit, evidence=Path(evidence)) as server:
            async with cache(ws, emit=emit, evidence=Path(evidence), kind="fakeredis"):
                child = start(["sh", "-c", child], workspace=ws, name="child")
                await child.said("up", deadline_s=10)
                say("up", server.pid, child.pid)
                await asyncio.get_running_loop().create_future()

asyncio.run(main(*sys.argv[1:]))
"""


GENTLE = "sleep 600 & echo up; wait"
STUBBORN = "trap '' TERM; sleep 600 & echo up; wait; wait"


class Harness:
    """A harness in a process of its own that is there to be killed."""

    def __init__(
        self, evidence: Path, *, child: str = GENTLE, cache_dir: Path | None = None
    ) -> None:
        paths = [str(Path(crashloop.__file__).parents[1]), *filter(None, sys.path)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", HARNESS, str(cache_dir or ""), str(evidence), child],
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


def test_a_killed_harness_leaves_no_process_no_folder_no_shared_memory(tmp_path: Path) -> None:
    mark = f"cl-{secrets.token_hex(4)}"
    of_another_run = subprocess.Popen(["/bin/sleep", "60"], env={"CRASHLOOP_RUN": mark})
    try:
        harness = Harness(tmp_path, child=STUBBORN)
        harness.await_line("up")
        held = segment_of(harness.path / "pg/data")
        assert held in segments()
        assert left_of(harness.path), "or the test sees nothing"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(harness.reaper, number)  # which end a harness, and not its watcher
        assert harness.kill() < PROMISE_S
        assert left_of(harness.path) == []
        assert held not in segments()
        assert of_another_run.poll() is None
    finally:
        of_another_run.kill()
        of_another_run.wait()


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_harness_killed_at_any_stage_of_its_start_leaves_nothing(
    tmp_path: Path, events: int
) -> None:
    harness = Harness(tmp_path)
    for _ in range(events):
        harness.await_line("event")
    assert harness.kill() < PROMISE_S
    assert left_of(harness.path) == []


@pytest.mark.slow
def test_a_harness_killed_while_it_makes_the_template_leaves_no_half_of_it(
    tmp_path: Path, empty_cache: Path
) -> None:
    harness = Harness(tmp_path, cache_dir=empty_cache)
    held: set[str] = set()
    deadline_s = time.monotonic() + DEADLINE_S
    # A folder that appears in the middle of initdb gives no event
    while not held and time.monotonic() < deadline_s:
        held = segments_of_templates(empty_cache)
        time.sleep(0.001)
    assert held, "or the test sees nothing"
    harness.kill()
    assert left_of(harness.path) == []
    assert unfinished_templates(empty_cache) == []
    assert not held & segments()


def test_a_harness_killed_after_its_server_was_killed_and_paused_leaves_nothing(
    tmp_path: Path,
) -> None:
    harness = Harness(tmp_path)
    _, server, _ = harness.await_line("up")
    held = segment_of(harness.path / "pg/data")
    backends = postgres_backends([str(harness.path)]) - {int(server)}
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    os.kill(harness.process.pid, signal.SIGSTOP)
    os.kill(int(server), signal.SIGKILL)
    assert harness.kill() < PROMISE_S
    assert left_of(harness.path) == []
    assert held not in segments()

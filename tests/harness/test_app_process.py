"""A life of the app ends as a whole, daemons included."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from leftovers import LINUX
from memory_recorder import recorder

from crashloop.engines import process
from crashloop.engines.app import app_process
from crashloop.engines.output import AppOutput
from crashloop.engines.reaper import identity
from crashloop.engines.workspace import workspace
from crashloop.model import Life

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 10.0
DAEMONS = """
import os, signal, subprocess
command = ["sh", "-c", "sleep 600 & echo daemon $$ $!; wait"]
daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
print(daemon.stdout.readline(), flush=True)
if "dies" in os.environ:
    os._exit(3)
signal.pause()
"""


@pytest.mark.skipif(not LINUX, reason="daemons are found in Linux's /proc")
@pytest.mark.parametrize("dies", [True, False])
async def test_a_life_that_has_ended_leaves_no_daemon(tmp_path: Path, dies: bool) -> None:
    (tmp_path / "daemons.py").write_text(DAEMONS)
    output = AppOutput(recorder(), life=Life(1, 1), path=tmp_path / "attempt-1.log")
    daemons: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    def line(text: str) -> None:
        if text.startswith("daemon "):
            daemons.set_result([int(pid) for pid in text.split()[1:]])

    with workspace() as space:
        life = app_process(
            [sys.executable, str(tmp_path / "daemons.py")],
            {"dies": "1"} if dies else {},
            life=Life(1, 1),
            space=space,
            address=("127.0.0.1", 0),
            output=output,
        )
        life._child.listen(line)
        life.release()
        ended = asyncio.create_task(life.wait())
        async with asyncio.timeout(DEADLINE_S):
            pids = await daemons
            if not dies:
                await life.stop()
            status = await ended
        assert status == (3 if dies else -signal.SIGTERM)
        assert [pid for pid in pids if identity(pid)] == []


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_that_comes_as_the_output_ends_is_not_lost(turns: int) -> None:
    with workspace() as space:
        child = process.start(["sleep", "600"], workspace=space, name="sleep")
        draining = asyncio.create_task(child.drained())
        for _ in range(2):
            await asyncio.sleep(0)
        child.close_output()
        for _ in range(turns):
            await asyncio.sleep(0)
        was_pending = draining.cancel()
        await asyncio.wait({draining})
        assert draining.cancelled() == was_pending
        child.signal(signal.SIGKILL)
        await child.exited

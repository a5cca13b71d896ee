"""One attempt of the app ends as a whole, daemons included."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from docker_cases import recorder
from leftovers import LINUX

from crashloop.engines.app import app_process
from crashloop.engines.output import AppOutput
from crashloop.engines.reaper import identity
from crashloop.engines.workspace import workspace
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 10.0
DAEMONS = """
import os, subprocess
command = ["sh", "-c", "sleep 600 & echo daemon $$ $!; wait"]
daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
print(daemon.stdout.readline(), flush=True)
async def app(scope, receive, send):
    await receive()
    if "dies" in os.environ:
        os._exit(3)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.mark.skipif(not LINUX, reason="daemons are found in Linux's /proc")
@pytest.mark.parametrize("dies", [True, False])
async def test_an_attempt_that_has_ended_leaves_no_daemon(tmp_path: Path, dies: bool) -> None:
    (tmp_path / "daemons.py").write_text(DAEMONS)
    output = AppOutput(recorder(), attempt=1, path=tmp_path / "attempt-1.log")
    daemons: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    def line(text: str) -> None:
        if text.startswith("daemon "):
            daemons.set_result([int(pid) for pid in text.split()[1:]])

    with workspace() as space:
        attempt = app_process(
            AppUnderTest(target="daemons:app", folder=str(tmp_path)),
            space=space,
            attempt=1,
            address=("127.0.0.1", 0),
            environment={"dies": "1"} if dies else {},
            output=output,
        )
        attempt._child.listen(line)
        ended = asyncio.create_task(attempt.wait())
        async with asyncio.timeout(DEADLINE_S):
            pids = await daemons
            if not dies:
                await attempt.stop()
            status = await ended
        assert (status == 3) is dies
        assert [pid for pid in pids if identity(pid)] == []

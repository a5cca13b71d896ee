"""A killed harness leaves nothing of its replicas, nor of a Postgres that a fault has stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from leftovers import LINUX, left_of

import crashloop
from crashloop.engines.reaper import postgres_backends

GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
REPLICAS = 4
FIXTURES = Path(__file__).parents[2] / "fixtures"

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc")

HARNESS = """
import asyncio, sys
from pathlib import Path
from local_runs import HAS_A_SESSION, opened
from crashloop.model import Replicas

async def main(folder):
    replicas = Replicas(count=3, overlap=1)
    async with opened(Path(folder), HAS_A_SESSION, replicas=replicas) as run:
        (made,) = run.of("workspace.made")
        print(made.data["folder"], flush=True)
        async with run.engine.ports.revisions().overlapping(), run.replicas():
            await run.until("app.output", count=int(sys.argv[2]))
            async with run.engine.ports.database("postgres").stopped():
                print("stopped", flush=True)
                await asyncio.get_running_loop().create_future()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
def test_nothing_is_left_of_three_replicas_and_a_stopped_postgres(tmp_path: Path) -> None:
    paths = [str(Path(crashloop.__file__).parents[1]), str(FIXTURES), *filter(None, sys.path)]
    harness = subprocess.Popen(
        [sys.executable, "-P", "-c", HARNESS, str(tmp_path), str(REPLICAS)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    try:
        assert harness.stdout is not None
        folder = Path(harness.stdout.readline().strip())
        assert harness.stdout.readline() == "stopped\n"
        assert len(postgres_backends([str(folder)])) > REPLICAS, "or the test sees nothing"
        assert len(left_of(folder)) > REPLICAS, "or the test sees nothing"
    finally:
        harness.kill()
        harness.communicate()
    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []

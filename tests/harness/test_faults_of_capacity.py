"""The fault of a server with many workers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from local_runs import REDIS, opened

from crashloop.faults.process.many_workers import ManyWorkers
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = """
import os, subprocess, sys
wanted = int(os.environ.get("WEB_CONCURRENCY", "1"))
children = [subprocess.Popen(["sleep", "60"]) for _ in range(wanted)]
children[0].wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_server_is_told_how_many_workers_to_start_and_has_them(tmp_path: Path) -> None:
    app = AppUnderTest(name="server", command=("{python}", "-c", WORKERS))
    async with opened(tmp_path, app, REDIS) as run:
        active = ManyWorkers(workers=3).active(run.engine.ports, name="f", target="replicas")
        async with active, run.replicas():
            (seen,) = await run.until("process.workers_started")
    assert len(seen.data["workers"]) == 3
    assert seen.data["fault"] == "f"

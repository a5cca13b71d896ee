"""The command is killed while a fault is in place."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from cli_runs import awaited, begun
from faults_alone import ALONE, reproducing, runnable
from leftovers import LINUX, left_of, segment_of, segments

from crashloop.faults import KINDS

GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc"),
]


@pytest.mark.parametrize("kind", [runnable(kind) if kind in ALONE else kind for kind in KINDS])
def test_nothing_is_left_after_a_sigkill(kind: str, tmp_path: Path) -> None:
    command = begun(*reproducing(kind), "--artifacts", "run", folder=tmp_path)
    try:
        folder = Path(awaited("workspace.made", tmp_path)["data"]["folder"])
        awaited("fault.injected", tmp_path)
        awaited("process.started", tmp_path)
        shared = segment_of(folder / "pg" / "data")
        assert left_of(folder), "or the test sees nothing"
    finally:
        command.kill()
        command.communicate()
    assert command.returncode == -signal.SIGKILL

    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []
    assert shared not in segments()

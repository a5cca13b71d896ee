"""A harness that is killed leaves nothing behind: the watcher outlives it and tidies up."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from leftovers import left_of

GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
WHILE_IT_RUNS_S = 4.5  # the third attempt waits at least until then
MOMENTS = 20

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="processes of a run are found by /proc/*/environ"
)


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_of_a_killed_run_is_left_after_15_s(tmp_path: Path, moment: int) -> None:
    after_s = random.Random(moment).uniform(0.2, WHILE_IT_RUNS_S)  # noqa: S311  repeatable moments
    harness = subprocess.Popen(
        [sys.executable, "-P", "-m", "crashloop", "reproduce", "issue-1278", "--artifacts", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        harness.wait(after_s)
    harness.kill()
    assert harness.wait() == -signal.SIGKILL, "or nothing was killed"

    folder = _folder_of_run(tmp_path / "run" / "trace.jsonl")
    until_s = time.monotonic() + GONE_WITHIN_S
    left = left_of(folder) if folder else []
    while folder and left and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
        left = left_of(folder)
    assert not left, f"killed after {after_s:.2f} s"


def _folder_of_run(trace: Path) -> Path | None:
    """The run's own folder as its trace names it; None if it was killed before it had one."""
    if not trace.exists():
        return None
    for line in trace.read_text().splitlines()[1:]:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event["kind"] == "workspace.made":
                return Path(event["data"]["folder"])
    return None

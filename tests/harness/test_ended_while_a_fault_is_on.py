"""The command is killed or interrupted while a fault is on and three replicas run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runs import awaited, begun, verdict
from leftovers import LINUX, left_of, segment_of, segments
from planned_faults import CASES

import crashloop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

REPLICAS = 3
PHASES = 3  # init, dependencies, database
GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
FIXTURES = Path(__file__).parents[2] / "fixtures"
WITH_THE_OUTAGE = """
import sys
from dataclasses import replace
from planned_faults import CASES, outage_of
from crashloop.cli import main
from crashloop.incidents import INCIDENTS

kind = sys.argv[2]
replicas = replace(CASES[kind].replicas, count=3)
INCIDENTS[kind] = outage_of(kind, replicas=replicas)
sys.exit(main())
"""

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc")


@contextlib.contextmanager
def waiting(kind: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, with the fault injected and its replicas in phase database."""
    process: subprocess.Popen[str] = begun(
        *("reproduce", kind, "--artifacts", "run", "--real-time"),
        folder=folder,
        command=(sys.executable, "-P", "-c", WITH_THE_OUTAGE),
        PYTHONPATH=os.pathsep.join(
            [str(Path(crashloop.__file__).parents[1]), str(FIXTURES), *filter(None, sys.path)]
        ),
    )
    try:
        awaited("fault.injected", folder)
        awaited("phase.started", folder, count=REPLICAS * PHASES)
        yield process
    finally:
        process.kill()
        process.communicate()


def folder_of(tmp_path: Path) -> Path:
    return Path(awaited("workspace.made", tmp_path)["data"]["folder"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_nothing_is_left_of_it_after_a_sigkill(kind: str, tmp_path: Path) -> None:
    with waiting(kind, tmp_path) as command:
        folder = folder_of(tmp_path)
        shared = segment_of(folder / "pg" / "data")
        assert shared in segments(), "or the test sees nothing"
        assert len(left_of(folder)) > REPLICAS, "or the test sees nothing"

        command.kill()
        assert command.wait() == -signal.SIGKILL

    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []
    assert shared not in segments()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("paused", signal.SIGINT),
        ("paused", signal.SIGTERM),
        ("starting_up", signal.SIGINT),
        ("loading", signal.SIGINT),
        ("slots_taken", signal.SIGINT),
        ("revision_change", signal.SIGINT),
    ],
)
def test_a_signal_ends_it_tidily(kind: str, number: signal.Signals, tmp_path: Path) -> None:
    with waiting(kind, tmp_path) as command:
        folder = folder_of(tmp_path)
        shared = segment_of(folder / "pg" / "data")
        command.send_signal(number)
        out, err = command.communicate(timeout=GONE_WITHIN_S)

    assert command.returncode == 128 + number
    assert "INCONCLUSIVE" in out
    assert err.splitlines()[-1] == (
        f"interrupted by {number.name}; the evidence up to here is in run"
    )
    assert verdict(tmp_path)["verdict"] == "INCONCLUSIVE"
    assert left_of(folder) == []
    assert shared not in segments()
